//! What is left of a command that ran on an overlay, and what the kernel was told.

use testbed::{Host, Output, Place, killed_at_random, needs};

const LAB: &str = env!("CARGO_BIN_EXE_lab-04");

const HERE: [Place; 3] = [Place::Root, Place::User, Place::UserWithSubids];
const EVERYWHERE: [Place; 5] = Place::ALL;

/// Two lower layers, an upper one and a mount point, in the home directory; in a guest that is on
/// an overlay, where no upper layer can be, and /tmp is a tmpfs.
const LAYERS: &str = r#"[ "$(stat -f -c %T .)" != overlayfs ] || cd "$(mktemp -d)"
    mkdir -p A B/dir C W M
    echo A > A/a; echo B > B/a; echo B > B/b; echo B > B/dir/old
    on() { $BIN mount --lower A:B --upper C --work W M -- "$@"; }
"#;

/// Runs a script in a directory with layers and expects that nothing is left of it.
#[track_caller]
fn shell(place: Place, script: &str) -> Output {
    let before = Host::now();
    let output = place.shell(LAB, &format!("{LAYERS}{script}"));
    before.assert_unchanged();
    output
}

#[track_caller]
fn check(place: Place, script: &str, expected: &str) {
    let output = shell(place, script);
    assert_eq!(output.success().trim(), expected, "{place:?}: {output}");
}

#[test]
fn the_first_lower_layer_wins_and_upper_beats_it() {
    for place in EVERYWHERE {
        needs!(In(place));
        check(place, "echo C > C/b; on cat M/a M/b M/dir/old", "A\nC\nB");
    }
}

#[test]
fn a_write_ends_in_the_upper_layer_only() {
    for place in EVERYWHERE {
        needs!(In(place));
        check(place, "on sh -c 'echo new > M/a'; cat A/a B/a C/a; ls -A M", "A\nB\nnew");
    }
}

#[test]
fn without_an_upper_layer_nothing_can_be_written() {
    for place in HERE {
        needs!(In(place));
        let script =
            "$BIN mount --lower A:B M -- touch M/new 2>&1 | grep -o 'Read-only file system'";
        check(place, script, "Read-only file system");
    }
}

#[test]
fn the_diff_is_that_of_docker() {
    for place in EVERYWHERE {
        needs!(In(place));
        let script =
            "on sh -c 'rm M/a; echo x >> M/b; echo n > M/dir/new'; $BIN diff C --lower A:B";
        check(place, script, "D /a\nC /b\nC /dir\nA /dir/new");
    }
}

#[test]
fn a_mounted_upper_directory_needs_no_lower_ones_named() {
    for place in HERE {
        needs!(In(place));
        let script =
            "on() { $BIN mount --lower $PWD/A:$PWD/B --upper $PWD/C --work W M -- \"$@\"; }
            on sh -c 'rm M/a; ln -s x M/link; $BIN diff C'";
        check(place, script, "D /a\nA /link");
    }
}

#[test]
fn the_marks_alone_tell_nearly_as_much() {
    for place in HERE {
        needs!(In(place));
        let script = "on sh -c 'rm M/a; echo x >> M/b; echo n > M/dir/new'; $BIN diff C 2> note
            grep -o 'without the lower layers' note";
        check(place, script, "D /a\nC /b\nC /dir\nA /dir/new\nwithout the lower layers");
    }
}

#[test]
fn root_reads_the_upper_directory_of_a_user() {
    needs!(Root, UserNs);
    let script =
        "unshare -Urm sh -c 'mount -t overlay -o userxattr,lowerdir=A:B,upperdir=C,workdir=W o M
            rm -r M/dir; mkdir M/dir'
        $BIN diff C --lower A:B --userxattr; echo; $BIN diff C --lower A:B";
    check(Place::Root, script, "C /dir\nD /dir/old\n\nC /dir");
}

#[test]
fn the_exit_status_is_the_commands() {
    for place in HERE {
        needs!(In(place));
        check(place, "on sh -c 'exit 7'; echo $?; on nowhere 2>/dev/null; echo $?", "7\n127");
        check(place, "on sh -c 'kill -9 $$'; echo $?", "137");
    }
}

#[test]
fn the_host_does_not_see_the_mount() {
    for place in HERE {
        needs!(In(place));
        check(place, "on true; grep -c \" $PWD/M \" /proc/self/mountinfo; ls -A M", "0");
    }
}

#[test]
fn names_with_colons_commas_and_backslashes_are_no_list() {
    for place in EVERYWHERE {
        needs!(In(place));
        let script = r"mkdir 'a:b' 'c,d' 'e\f' 'u:,\'; touch 'a:b/1' 'c,d/2' 'e\f/3'
            $BIN mount --lower 'a\:b:c,d:e\\f' --upper 'u:,\' --work W M -- sh -c '
                touch M/4; cd M; echo *; cd ..; $BIN layers M' | sed -n '1p; /e.f/s/ \+/ /gp; /upper/s/ \+/ /gp'
            ls 'u:,\'";
        let expected = r"1 2 3 4
│ upper │ u:,\ │ 0 │ 1 │ 0 │ 0 │ directory │
│ lower 3 │ e\f │ 0 │ 1 │ 0 │ 0 │ directory │
4";
        check(place, script, expected);
    }
}

#[test]
fn five_hundred_layers_with_long_names_are_named_from_their_store() {
    for place in EVERYWHERE {
        needs!(In(place));
        let script = "for n in $(seq 500); do mkdir -p store/$n; done; touch store/1/a store/500/z
            lower=$(seq -s: -f \"$PWD/store/%g\" 500)
            $BIN mount --lower $lower --upper C --work W M -- sh -c 'echo x > M/new; cd M; echo *'; ls C";
        check(place, script, "a new z\nnew");
    }
}

#[test]
fn layers_that_share_no_directory_are_given_one_by_one() {
    for place in EVERYWHERE {
        needs!(In(place));
        // Not even relative to "/" do they fit into a page; the names are as nasty as can be.
        let script = r"long=$(printf 'x%.0s' $(seq 60)); lower=
            for n in $(seq 80); do mkdir -p $n/$long/$n; lower=$lower:$PWD/$n/$long/$n; done
            mkdir 'l:\,'; lower=$lower:$PWD/'l\:\\,'; touch 1/$long/1/a 'l:\,/z'; mkdir 'u\:,' 'W,:\'
            $BIN mount --lower ${lower#:} --upper 'u\:,' --work 'W,:\' M -- sh -c '
                echo x > M/new; cd M; echo *; cd ..; $BIN layers M | grep -c lower'; ls 'u\:,'";
        check(place, script, "a new z\n81\nnew");
    }
}

#[test]
fn a_volatile_mount_forbids_the_next_one() {
    for place in EVERYWHERE {
        needs!(In(place));
        let script =
            "volatile() { $BIN mount --lower A:B --upper C --work W --volatile M -- true; }
            volatile; volatile 2>&1 | grep -o 'volatile mount'";
        check(place, script, "volatile mount");
    }
}

#[test]
fn redirects_are_followed_by_the_diff() {
    needs!(Root);
    let script = "$BIN mount --lower A:B --upper C --work W --redirect-dir --metacopy M -- sh -c '
            mv M/dir M/moved; chmod 600 M/b'
        $BIN diff C --lower A:B";
    check(Place::Root, script, "C /b (metadata only)\nD /dir\nA /moved\nA /moved/old");
}

#[test]
fn a_mount_point_in_the_upper_directory_is_not_entered() {
    needs!(Root);
    let script = "mkdir C/dir C/new; touch -r B/dir C/dir; echo mine > C/new/file
        unshare -m sh -c 'mount -t tmpfs t C/new; echo other > C/new/other; $BIN diff C --lower A:B'";
    check(Place::Root, script, "A /new");
}

#[test]
fn a_third_overlay_is_refused_in_words() {
    needs!(Root);
    let script = "mkdir C2 W2 M2 D; unshare -m sh -c '
        mount -t overlay -o lowerdir=$PWD/A:$PWD/B o M
        mount -t overlay -o lowerdir=$PWD/M:$PWD/D o M2
        $BIN mount --lower M2 --upper C --work W D -- true' 2>&1 | grep -o 'on an overlay that is on an overlay'";
    check(Place::Root, script, "on an overlay that is on an overlay");
}

#[test]
fn a_root_that_is_its_own_layer_as_seen_from_here_is_no_circle() {
    needs!(In(Place::GuestRoot));
    // The guest's root is an overlay with lowerdir=/, as that of a live system.
    check(Place::GuestRoot, "$BIN mount --lower /etc:$PWD/A M -- cat M/a", "A");
}

#[test]
fn an_upper_directory_on_an_overlay_is_refused_in_words() {
    for place in HERE {
        needs!(In(place));
        let script = "mkdir D; on sh -c 'mkdir M/C M/W
            $BIN mount --lower A --upper M/C --work M/W D -- true' 2>&1 | grep -o 'inside a container'";
        check(place, script, "inside a container");
    }
}

#[test]
fn a_demonstration_killed_at_any_moment_leaves_nothing() {
    for place in [Place::Root, Place::User] {
        needs!(In(place));
        killed_at_random(place, LAB, &[], 20);
    }
}
