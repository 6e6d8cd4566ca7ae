//! The commands on a real kernel, as root, as a user, and where "/" is shared.

use testbed::{Host, Place, killed_at_random, needs, snapshot};

const LAB: &str = env!("CARGO_BIN_EXE_lab-03");

const HERE: [Place; 3] = [Place::Root, Place::User, Place::UserWithSubids];

/// Runs a script in every place of this machine; all must give the same.
#[track_caller]
fn everywhere(script: &str, check: impl Fn(Place, &testbed::Output)) {
    for place in HERE.into_iter().filter(|place| place.missing().is_none()) {
        let before = Host::now();
        check(place, &place.shell(LAB, &format!("set -e; {script}")));
        before.assert_unchanged();
    }
}

const BUILD: &str = "$BIN rootfs r --with sh,ls,cat,readlink > /dev/null;";

#[test]
fn a_copied_program_runs_in_a_chroot() {
    needs!(In(Place::unprivileged()));
    let script = format!("{BUILD} $BIN chroot r -- sh -c 'cat /etc/os-release; readlink /bin/sh'");
    everywhere(&script, |place, output| {
        assert!(output.success().contains("ID=unboxed"), "{place:?}: {output}");
    });
}

#[test]
fn a_pivoted_command_is_pid_1_and_sees_only_its_own_mounts() {
    needs!(In(Place::unprivileged()));
    let script = format!(
        "{BUILD} $BIN pivot r -- sh -c 'echo pid $$; cut() {{ while read -r a b c d point rest; do \
         case $point in /dev/?*) ;; *) echo $point;; esac; done; }}; cut < /proc/self/mountinfo; \
         echo x > /dev/null; readlink /dev/stdin > /dev/null; pwd'"
    );
    everywhere(&script, |place, output| {
        assert_eq!(output.success(), "pid 1\n/\n/proc\n/dev\n/\n", "{place:?}: {output}");
    });
}

#[test]
fn the_exit_status_is_the_commands_own() {
    needs!(In(Place::unprivileged()));
    let script = format!(
        "{BUILD} set +e
         for how in chroot pivot; do
            $BIN $how r -- sh -c 'exit 7'; echo $how $?
            $BIN $how r -- sh -c 'kill -9 $$; exit 3'; echo $how $?
            $BIN $how r -- nowhere 2> /dev/null; echo $how $?
            $BIN $how r -- /etc/passwd 2> /dev/null; echo $how $?
         done; exit 0"
    );
    everywhere(&script, |place, output| {
        // A chroot makes no PID namespace, so a signal reaches its command; to a PID 1 it does not.
        let chroot = "chroot 7\nchroot 137\nchroot 127\nchroot 126\n";
        let pivot = "pivot 7\npivot 3\npivot 127\npivot 126\n";
        let killed = output.stdout.replace("Killed\n", "");
        assert_eq!(killed, format!("{chroot}{pivot}"), "{place:?}: {output}");
    });
}

#[test]
fn the_break_out_works_from_a_chroot_only() {
    needs!(In(Place::unprivileged()));
    let script = format!("{BUILD} $BIN escape r; $BIN escape r --after-pivot");
    everywhere(&script, |place, output| {
        output.success();
        snapshot!("escape", output.text(), [(r"\d+:\d+/\d+ +│", "[elsewhere] │")]);
        let _ = place;
    });
}

#[test]
fn a_missing_loader_is_named() {
    needs!(In(Place::unprivileged()));
    let script = format!(
        "{BUILD} rm r/usr/lib*/ld-* r/usr/lib/*/ld-* 2> /dev/null || true; set +e
         ls r/bin/sh > /dev/null && $BIN chroot r -- sh; echo $?; $BIN pivot r -- sh; exit $?"
    );
    everywhere(&script, |place, output| {
        let told = output.failure(127);
        assert_eq!(
            told.matches("reports that with the same ENOENT").count(),
            2,
            "{place:?} {told}"
        );
        assert_eq!(output.stdout, "127\n");
    });
}

#[test]
fn a_missing_interpreter_is_named() {
    needs!(In(Place::unprivileged()));
    let script = format!(
        "{BUILD} printf '#!/usr/bin/nowhere\\n' > r/usr/bin/script; chmod +x r/usr/bin/script
         $BIN chroot r -- script"
    );
    everywhere(&script, |_, output| {
        snapshot!("missing_interpreter", output.failure(127));
    });
}

#[test]
fn a_script_is_copied_with_its_interpreter() {
    needs!(In(Place::unprivileged()));
    let script = "printf '#!/usr/bin/env sh\\necho it runs\\n' > s; chmod +x s
         $BIN rootfs r --with ./s > /dev/null; $BIN chroot r -- s";
    everywhere(script, |_, output| assert_eq!(output.success(), "it runs\n"));
}

#[test]
fn a_link_names_a_program() {
    needs!(In(Place::unprivileged()));
    let script =
        "$BIN rootfs r --with hello=sh > /dev/null; $BIN chroot r -- hello -c 'echo hello'";
    everywhere(script, |_, output| assert_eq!(output.success(), "hello\n"));
}

#[test]
fn a_static_busybox_is_many_programs() {
    needs!(In(Place::unprivileged()), Program("busybox"));
    let script = "$BIN rootfs r --with busybox,sh=busybox,echo=busybox > /dev/null
         $BIN pivot r -- sh -c 'echo hello'";
    everywhere(script, |_, output| assert_eq!(output.success(), "hello\n"));
}

#[test]
fn a_library_that_only_the_cache_knows_is_found_inside_too() {
    needs!(Root, Program("ldconfig"));
    let before = Host::now();
    // A copy of some program, and of a library of its own that lies where no loader looks.
    let output = Place::Root.shell(
        LAB,
        r#"mkdir up; unshare -m --propagation private sh -euc '
         mount -t tmpfs none up; mkdir up/up up/work up/srv
         mount -t overlay -o lowerdir=/etc,upperdir=up/up,workdir=up/work none /etc
         mount -t tmpfs none /var/cache/ldconfig 2> /dev/null || true
         mount --bind up/srv /srv
         lib=$(ldd /bin/ls | sed -n "s/.*libselinux.so.1 => \([^ ]*\).*/\1/p")
         [ -n "$lib" ] || { echo skipped; exit 0; }
         sed s/libselinux.so.1/libselinuX.so.1/g "$lib" > /srv/libselinuX.so.1
         sed s/libselinux.so.1/libselinuX.so.1/g /bin/ls > /srv/ls; chmod +x /srv/ls
         mkdir -p /etc/ld.so.conf.d; echo /srv > /etc/ld.so.conf.d/srv.conf
         ldconfig
         $BIN rootfs up/r --with /srv/ls | grep -c "tells the loader where libselinuX.so.1 is"
         $BIN chroot up/r -- ls /srv'"#,
    );
    before.assert_unchanged();
    let told = output.success();
    assert!(["skipped\n", "1\nlibselinuX.so.1\nls\n"].contains(&told), "{output}");
}

#[test]
fn set_user_id_bits_do_not_travel() {
    needs!(In(Place::unprivileged()), Program("mount"));
    let script = "$BIN rootfs r --with mount > /dev/null; stat -c %a r/usr/bin/mount r/bin/mount \
                  2> /dev/null | head -1";
    everywhere(script, |_, output| assert_eq!(output.success(), "755\n"));
}

#[test]
fn bad_input_is_told_and_nothing_is_left() {
    let place = Place::unprivileged();
    needs!(In(place), Program("dd"));
    let before = Host::now();
    let output = place.shell(
        LAB,
        r#"exec 2>&1; mkdir full; touch full/mine; printf 'MZ' > text; chmod +x text
        try() { echo "\$ lab-03 $*"; "$BIN" "$@"; echo "($?)"; echo; }
        bend() { cp /usr/bin/env "$1"; chmod +wx "$1"; }
        bend alien; printf '\267\000' | dd of=alien bs=1 seek=18 conv=notrunc 2> /dev/null
        bend lost; sed -i 's/libc\.so\.6/libX.so.6/' lost
        bend cut; truncate -s 100 cut
        try rootfs new --with nowhere
        try rootfs new --with ./nowhere
        try rootfs new --with sh,,ls
        try rootfs new --with sh,./text
        try rootfs new --with ./alien
        try rootfs new --with ./lost
        try rootfs new --with ./cut
        try rootfs full --with sh
        try rootfs text --with sh
        try rootfs missing/new --with sh
        try rootfs /proc/new --with sh
        try rootfs new
        try chroot nowhere -- sh
        try chroot text -- sh
        try chroot full
        try chroot full sh
        try chroot full -- sh
        try chroot full -- ./mine
        try pivot / -- sh
        try pivot nowhere -- sh
        try pivot full -- sh
        mkdir linked; ln -s /proc linked/proc; try pivot linked -- sh
        mkdir blocked; touch blocked/proc; try pivot blocked -- sh
        mkdir -p bare/proc bare/dev; try pivot bare -- sh
        mkdir empty; try escape empty
        try escape /
        try on-stage
        echo left: * full/*"#,
    );
    before.assert_unchanged();
    let home = [(r"/home/\w+|/tmp/unboxed-stage\.[\w.]+/home", "[HOME]")];
    let [home] = home;
    snapshot!(
        "bad_input",
        output.text(),
        [
            home,
            (
                r"aarch64 \(64 bits\), and this machine is .*",
                "aarch64 (64 bits), and this machine is [MACHINE]"
            ),
            (r"nor in /.*", "nor in [DIRECTORIES]"),
        ]
    );
}

#[test]
fn a_pivot_makes_nothing_in_the_directory() {
    needs!(In(Place::unprivileged()));
    let script = format!(
        "{BUILD} rmdir r/proc r/dev; find r > before; $BIN pivot r -- sh -c : 2> /dev/null || echo $?
         find r | cmp before; mkdir r/proc r/dev; find r > before; $BIN pivot r -- sh -c :
         find r | cmp before && echo the same"
    );
    everywhere(&script, |place, output| {
        assert_eq!(output.success(), "125\nthe same\n", "{place:?}: {output}");
    });
}

#[test]
fn a_full_disk_leaves_nothing() {
    needs!(Root);
    let before = Host::now();
    let output = Place::Root.shell(
        LAB,
        "unshare -m --propagation private sh -c 'mkdir d; mount -t tmpfs -o size=300k none d
         $BIN rootfs d/r --with sh; echo $?; ls -A d; mkdir d/there; $BIN rootfs d/there --with sh
         echo $?; ls -A d d/there; df --output=iused d | tail -1'",
    );
    before.assert_unchanged();
    snapshot!("full_disk", output.text(), [(r"copy d/[^\s:]+", "copy d/[FILE]")]);
}

#[test]
fn what_was_built_is_built_anew_and_what_is_mounted_in_it_survives() {
    needs!(Root);
    let before = Host::now();
    let output = Place::Root.shell(
        LAB,
        "exec 2>&1; $BIN rootfs r --with sh,ls > /dev/null; $BIN rootfs r --with sh > /dev/null
         ls r/usr/bin | grep -cx -e ls || true
         unshare -m --propagation private sh -c 'mkdir precious; touch precious/file
         mount --bind precious r/tmp; $BIN rootfs r --with sh; echo $?; ls precious'",
    );
    before.assert_unchanged();
    let home = (r"/tmp/unboxed-stage\.[\w.]+/home", "[HOME]");
    snapshot!("built_anew", output.text(), [home]);
}

#[test]
fn a_build_that_was_killed_is_built_anew() {
    needs!(In(Place::unprivileged()), Program("timeout"));
    let script = "for after in 0.002 0.004 0.006 0.008 0.01 0.015 0.02 0.03; do
            timeout -s KILL $after $BIN rootfs r --with sh,ls > /dev/null 2>&1 || true
            $BIN rootfs r --with sh > /dev/null && $BIN chroot r -- sh -c 'echo built'
         done";
    everywhere(script, |_, output| assert_eq!(output.success(), "built\n".repeat(8)));
}

#[test]
fn nothing_leaks_where_root_is_shared() {
    needs!(Root);
    let before = Host::now();
    let output = Place::Root.shell(
        LAB,
        &format!(
            "unshare -m --propagation shared sh -c '{BUILD} wc -l < /proc/self/mountinfo > before
             $BIN > /dev/null; $BIN pivot r -- ls > /dev/null; $BIN escape r --after-pivot > /dev/null
             wc -l < /proc/self/mountinfo > after; cmp before after && echo same
             grep -c shared: /proc/self/mountinfo > /dev/null && echo shared'"
        ),
    );
    before.assert_unchanged();
    assert_eq!(output.success(), "same\nshared\n");
}

#[test]
fn the_guest_does_the_same() {
    for place in [Place::GuestRoot, Place::GuestUser] {
        needs!(In(place));
        let output = place.shell(
            LAB,
            &format!(
                "set -e; cd \"$(mktemp -d)\"; {BUILD} $BIN pivot r -- sh -c 'echo $$ > /dev/null; echo pid $$'
                 $BIN escape r | tail -2; $BIN escape r --after-pivot | tail -2"
            ),
        );
        snapshot!("guest", output.success());
    }
}

#[test]
fn killed_at_any_moment_the_demonstration_leaves_nothing() {
    for place in [Place::Root, Place::User] {
        needs!(In(place));
        killed_at_random(place, LAB, &[], 30);
    }
}

#[test]
fn the_help_is_short_enough_to_read() {
    let place = Place::unprivileged();
    needs!(In(place));
    snapshot!("help", place.run(LAB, &["--help"], &[]).success());
}

#[test]
fn a_program_is_told_events_with_whole_values() {
    let place = Place::unprivileged();
    needs!(In(place));
    let script =
        "$BIN --json rootfs r --with sh; $BIN --json escape r; $BIN --json pivot / -- sh 2>&1
        $BIN --json --explain pivot r -- sh; $BIN --json --explain chroot r -- sh";
    let output = place.shell(LAB, script);
    let word = |line: &str| testbed::event(line)["event"].as_str().map(str::to_owned);
    let words: Vec<_> = output.stdout.lines().filter_map(word).collect();
    assert_eq!(words, ["table", "evidence", "error", "plan", "plan"], "{output}");
    assert!(!output.stdout.contains("KiB"), "{output}");
}

#[test]
fn a_plan_needs_no_privilege_and_no_directory() {
    let place = Place::unprivileged();
    needs!(In(place));
    let output = place.shell(
        LAB,
        "for how in 'chroot /new -- sh' 'pivot /new -- sh' 'escape /new' 'escape /new --after-pivot'
         do echo \"\\$ lab-03 --explain $how\"; $BIN --explain $how; echo; done
         $BIN --explain rootfs new --with sh > /dev/null && echo $?; ls -A",
    );
    snapshot!(place, "explain_commands", output.text());
}
