//! The tools, on a real kernel: a container with volumes, and what it must not do to the host.

use testbed::{Host, Output, Place, killed_at_random, needs, snapshot};

const LAB: &str = env!("CARGO_BIN_EXE_lab-06");

/// A root file system of one program, and a directory to share.
const PREPARE: &str = "
    [ -w . ] || cd \"$(mktemp -d)\"
    mkdir -p rootfs/bin data
    cp \"$(command -v busybox)\" rootfs/bin/busybox
    for name in sh cat ls mkdir mount hostname grep tail; do ln -s busybox rootfs/bin/$name; done
    echo from the host > data/greeting
";

/// Runs a script beside a prepared root file system; the host is the same afterwards.
#[track_caller]
fn beside_a_rootfs(place: Place, script: &str) -> Output {
    let before = Host::now();
    let output = place.shell(LAB, &format!("set -e\n{PREPARE}\n{script}"));
    before.assert_unchanged();
    output
}

/// One test in each place.
macro_rules! in_every_place {
    ($($name:ident($place:ident) $body:block)+) => {
        $(mod $name {
            use super::*;
            #[test]
            fn as_root() { needs!(In(Place::Root), Program("busybox")); check(Place::Root); }
            #[test]
            fn as_user() { needs!(In(Place::User), Program("busybox")); check(Place::User); }
            #[test]
            fn in_v2_guest() {
                needs!(In(Place::GuestRoot), Program("busybox"));
                check(Place::GuestRoot);
            }
            fn check($place: Place) $body
        })+
    };
}

in_every_place! {
    a_volume_is_shared_and_the_rootfs_is_not(place) {
        let output = beside_a_rootfs(place, "
            \"$BIN\" run -v $PWD/data:/data rootfs -- \
                sh -c 'cat /data/greeting; echo from inside > /data/reply; echo x > /own; hostname'
            cat data/reply
            ls rootfs
        ");
        assert_eq!(output.success(), "from the host\nunboxed\nfrom inside\nbin\n");
    }

    a_signal_reaches_the_command_on_a_terminal_too(place) {
        needs!(Program("script"));
        let output = beside_a_rootfs(place, r#"
            echo 'trap "echo heard; exit 7" TERM; echo ready; while :; do :; done' > data/inside
            echo "echo \$\$ > $HOME/pid; exec $BIN run -v $PWD/data:/data rootfs -- sh /data/inside" > line
            script -qec "sh $PWD/line" /dev/null < /dev/null > said & S=$!
            until grep -q ready said; do sleep 0.02; done
            kill -TERM $(cat $HOME/pid); wait $S || echo $?; grep -c heard said
        "#);
        assert_eq!(output.success(), "7\n1\n");
    }

    a_read_only_volume_refuses_and_the_host_does_not(place) {
        let output = beside_a_rootfs(place, "
            \"$BIN\" run -v $PWD/data:/data:ro rootfs -- sh -c 'echo x > /data/greeting' || echo $?
            echo changed > data/greeting; cat data/greeting
        ");
        assert_eq!(output.success(), "1\nchanged\n");
        assert!(output.stderr.contains("Read-only file system"), "{output}");
    }

    a_link_in_the_image_does_not_lead_the_mount_astray(place) {
        // Followed on the host, the image's /data is this directory; inside it is another one.
        let output = beside_a_rootfs(place, "
            mkdir -p outside rootfs$PWD/outside; ln -s $PWD/outside rootfs/data
            \"$BIN\" run -v $PWD/data:/data/sub rootfs -- sh -c 'cat /data/sub/greeting'
            ls outside
        ");
        assert_eq!(output.success(), "from the host\n");
    }

    the_status_of_the_command_is_passed_on(place) {
        let output = beside_a_rootfs(place, "
            \"$BIN\" run rootfs -- sh -c 'exit 42' || echo $?
            \"$BIN\" run rootfs -- nowhere 2> said || echo $?
            \"$BIN\" run rootfs -- sh -c 'kill -9 $$' || echo $?
        ");
        // PID 1 cannot kill itself: the signal is ignored, and the shell ends well.
        assert_eq!(output.success(), "42\n127\n");
    }
}

#[test]
fn limits_are_those_of_the_group() {
    needs!(Root, CgroupV1("pids"), Program("busybox"));
    let script = "\"$BIN\" run --pids 3 rootfs -- sh -c '(cat & cat & cat & cat & wait)'";
    let output = beside_a_rootfs(Place::Root, script);
    assert_ne!(output.code, 0, "{output}");
    assert!(output.stderr.contains("fork"), "{output}");
}

#[test]
fn the_group_is_the_root_of_what_the_container_sees() {
    for place in [Place::Root, Place::GuestRoot, Place::GuestUser] {
        needs!(In(place), Program("busybox"));
        let script = "$BIN run --pids 64 rootfs -- grep -e pids -e ^0: /proc/self/cgroup";
        let output = beside_a_rootfs(place, script);
        let seen = output.success();
        assert!(seen.lines().any(|line| line.contains("pids:/") || line == "0::/"), "{output}");
        let beyond = seen.lines().find(|line| line.contains(".."));
        assert_eq!(beyond, None, "{place:?}: {output}");
    }
}

#[test]
fn a_kill_for_want_of_memory_is_told() {
    for place in [Place::Root, Place::GuestRoot] {
        needs!(In(place), Program("busybox"));
        let script = "$BIN run --memory 16m rootfs -- sh -c 'tail -n 1 /dev/zero' || echo $?";
        let output = beside_a_rootfs(place, script);
        assert_eq!(output.success(), "137\n", "{place:?}: {output}");
        let told = "for want of memory (limit: 16M)";
        assert!(output.stderr.contains(told), "{place:?}: {output}");
    }
}

#[test]
fn everybody_adds_a_volume_to_a_container_of_their_own() {
    for place in [Place::Root, Place::User, Place::UserWithSubids, Place::GuestUser] {
        needs!(In(place), Program("busybox"));
        let script = "mkfifo data/up data/go
            $BIN run -v $PWD/data:/data rootfs -- sh -c 'echo > /data/up; cat /data/go
                cat /late/greeting; echo x > /late/x' > told 2>&1 & runs=$!
            cat data/up
            for pid in $(cat /proc/$runs/task/*/children); do
                $BIN add $pid $PWD/data:/late:ro; done
            echo > data/go; wait $runs || true; cat told";
        let output = beside_a_rootfs(place, script);
        let seen = output.success();
        assert!(seen.contains("from the host"), "{place:?}: {output}");
        assert!(seen.contains("Read-only file system"), "{place:?}: {output}");
    }
}

#[test]
fn nothing_is_left_when_it_is_killed() {
    needs!(In(Place::Root));
    killed_at_random(Place::Root, LAB, &[], 60);
}

#[test]
fn bad_input_is_answered_in_words() {
    let place = Place::unprivileged();
    needs!(In(place));
    let output = beside_a_rootfs(
        place,
        "
        exec 2>&1; set +e
        \"$BIN\" run -v data:/data rootfs -- sh
        \"$BIN\" run -v /data rootfs -- sh
        \"$BIN\" run -v /etc:/etc rootfs -- ./nowhere
        \"$BIN\" run data/greeting -- sh
        \"$BIN\" add 1 data:/data
        \"$BIN\" add 0 /etc:/data
        \"$BIN\" run -v /nowhere:/data rootfs -- sh
        \"$BIN\" run -v /etc:data rootfs -- sh
        \"$BIN\" run -v /etc:/data:rx rootfs -- sh
        \"$BIN\" run nowhere -- sh
        \"$BIN\" run rootfs -- nowhere
        \"$BIN\" run --memory 64q rootfs -- sh
        \"$BIN\" add 1073741824 /etc:/data
        \"$BIN\" add $$ /etc:/data
        \"$BIN\" run / -- sh
        \"$BIN\" run -v /etc:/proc/data rootfs -- sh
        \"$BIN\" run -v /etc/passwd:/bin rootfs -- sh
        \"$BIN\" run -v /etc:/bin/busybox rootfs -- sh
        \"$BIN\" run -v $PWD/data:/data:ro -v /etc:/data/deep rootfs -- sh
        true
    ",
    );
    let filters = [
        (r"/\S*/rootfs", "[ROOTFS]"),
        (r"/\S*/greeting", "[GREETING]"),
        (r"process \d+ is in", "process [PID] is in"),
    ];
    snapshot!("bad_input", output.text(), [filters[0], filters[1], filters[2]]);
}

#[test]
fn a_plan_needs_no_privilege() {
    let place = Place::unprivileged();
    needs!(In(place));
    let output =
        beside_a_rootfs(place, "\"$BIN\" run --explain -v $PWD/data:/data:ro rootfs -- sh");
    snapshot!(place, "run_explain", output.success(), [(r"/[a-z][^ ,=]*/home/", "[HOME]/")]);
}
