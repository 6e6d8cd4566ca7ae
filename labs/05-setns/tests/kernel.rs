//! What the kernel says about processes that lab-05 entered, and what nsenter(1) makes of the same.

use std::sync::{Mutex, PoisonError};

use testbed::{Host, Output, Place, killed_at_random, needs};

const LAB: &str = env!("CARGO_BIN_EXE_lab-05");

/// One at a time: what another test has just made would look like something left behind.
static TURN: Mutex<()> = Mutex::new(());

/// `sleeps`: what was started last is `$T`, and sleep(1) by now.
const SLEEPS: &str = "sleeps() { T=$!; until grep -q sleep /proc/$T/comm; do sleep 0.02; done; }";

/// Runs a script with `$BIN` and `sleeps`, and expects that nothing is left of it.
#[track_caller]
fn shell(place: Place, script: &str) -> Output {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let before = Host::now();
    let output = place.shell(LAB, &format!("{SLEEPS}\n{script}"));
    before.assert_unchanged();
    output
}

/// The same, with `$T`: an idle process in namespaces made by unshare(1) with these flags.
#[track_caller]
fn beside(place: Place, flags: &str, script: &str) -> Output {
    let start = format!(
        "unshare {flags} --fork --kill-child sleep 60 & U=$!
         until T=$(pgrep -P $U sleep); do sleep 0.05; done"
    );
    shell(place, &format!("{start}\n{script}\nkill -9 $T $U; wait $U 2>/dev/null; true"))
}

#[track_caller]
fn check(output: &Output, expected: &str) {
    assert_eq!(output.success().trim(), expected, "{output}");
}

const HERE: [Place; 3] = [Place::Root, Place::User, Place::UserWithSubids];
const ALL: &str = "--user --map-root-user --mount --mount-proc --uts --ipc --net --pid --cgroup";

#[test]
fn all_links_are_those_of_the_target() {
    needs!(Program("unshare"), Program("pgrep"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            links() { ls -l $1 | sed -n 's/.* \([a-z]*\) -> /\1 /p' | grep -v for_children; }
            links /proc/$T/ns > theirs
            for way in "" --files; do
                $BIN enter $T $way -- ls -l /proc/self/ns | sed -n 's/.* \([a-z]*\) -> /\1 /p' | grep -v for_children > ours
                diff ours theirs && echo same
            done"#;
        check(&beside(place, ALL, script), "same\nsame");
    }
}

#[test]
fn nsenter_gives_the_same_view() {
    needs!(Program("unshare"), Program("nsenter"), Program("pgrep"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            look='id; readlink /proc/self/ns/*; pwd; cat /proc/1/comm; grep Cap /proc/self/status; cat /proc/self/cgroup'
            $BIN enter $T -- sh -c "$look" > ours
            nsenter --preserve-credentials -t $T -m -u -i -n -p -C -U --wd -- sh -c "$look" > theirs
            diff ours theirs && echo same"#;
        check(&beside(place, ALL, script), "same");
    }
}

#[test]
fn one_letter_joins_one_kind() {
    needs!(In(Place::Root), Program("unshare"), Program("nsenter"), Program("pgrep"));
    let script = r#"
        for letter in m u i n p C; do
            $BIN enter $T -$letter -- readlink /proc/thread-self/ns/mnt /proc/thread-self/ns/uts \
                /proc/thread-self/ns/ipc /proc/thread-self/ns/net /proc/thread-self/ns/pid /proc/thread-self/ns/cgroup > ours
            nsenter -t $T -$letter -- readlink /proc/thread-self/ns/mnt /proc/thread-self/ns/uts \
                /proc/thread-self/ns/ipc /proc/thread-self/ns/net /proc/thread-self/ns/pid /proc/thread-self/ns/cgroup > theirs
            cmp ours theirs || echo $letter
        done"#;
    check(&beside(Place::Root, "--mount --uts --ipc --net --pid --cgroup", script), "");
}

#[test]
fn the_time_namespace_is_joined() {
    needs!(Program("unshare"), Program("pgrep"), Namespace("time"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            theirs=$(readlink /proc/$T/ns/time)
            [ $theirs != $(readlink /proc/self/ns/time) ] && echo another
            for way in "" --files; do
                [ $($BIN enter $T -U -T $way -- readlink /proc/self/ns/time) = $theirs ] && echo joined
                [ $($BIN enter $T -U -T $way -- cut -d. -f1 /proc/uptime) -gt 1000000000 ] && echo late
                [ $($BIN enter $T -U $way -- cut -d. -f1 /proc/uptime) -lt 1000000000 ] && echo not joined
            done"#;
        let flags = "--user --map-root-user --time --boottime 1000000000";
        let each = "joined\nlate\nnot joined";
        check(&beside(place, flags, script), &format!("another\n{each}\n{each}"));
    }
}

#[test]
fn exit_status_and_signal_are_passed_on() {
    needs!(Program("unshare"), Program("pgrep"));
    for place in HERE {
        needs!(In(place));
        let script = "$BIN enter $T -- sh -c 'exit 7'; echo $?
            $BIN enter $T -- sh -c 'kill -9 $$'; echo $?
            $BIN enter $T -- /nowhere/at-all 2>/dev/null; echo $?
            $BIN enter $T -- /etc/passwd 2>/dev/null; echo $?";
        check(&beside(place, ALL, script), "7\n137\n127\n126");
    }
}

#[test]
fn a_signal_reaches_the_command_on_a_terminal_too() {
    needs!(Program("unshare"), Program("pgrep"), Program("script"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            echo 'trap "echo heard; exit 7" TERM; echo ready; while :; do sleep 0.05; done' > inside
            echo "echo \$\$ > $HOME/pid; exec $BIN enter $T -- sh $HOME/inside" > line
            script -qec "sh $HOME/line" /dev/null < /dev/null > said & S=$!
            until grep -q ready said; do sleep 0.02; done
            kill -TERM $(cat pid); wait $S; echo $?; grep -c heard said"#;
        check(&beside(place, ALL, script), "7\n1");
    }
}

#[test]
fn the_record_of_the_fork_may_come_late() {
    needs!(In(Place::Root), Program("unshare"), Program("pgrep"));
    // Two records race; the winner must not matter, and nobody may stay a zombie.
    let script = "for i in $(seq 100); do $BIN enter $T -p -- true || echo $?
                    $BIN enter $T -p -- /nowhere 2>/dev/null; [ $? = 127 ] || echo $?; done
                  ps -o stat= --ppid $$ | grep -c Z";
    check(&beside(Place::Root, "--mount --pid", script), "0");
}

#[test]
fn a_chroot_is_entered_too() {
    needs!(In(Place::Root), Program("unshare"));
    let script =
        "unshare --mount chroot --skip-chdir / sh -c 'exec chroot /usr /bin/sleep 60' & sleeps
        $BIN enter $T -- /bin/sh -c 'ls -di /; [ -e /usr/share ] || [ -e /share ] && echo inside'
        ls -di /usr; kill $T; wait $T 2>/dev/null; true";
    let output = shell(Place::Root, script);
    let lines: Vec<&str> = output.success().lines().collect();
    let inode = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    assert_eq!(inode(lines[0]), inode(lines[2]), "{output}");
    assert_eq!(lines[1], "inside", "{output}");
}

#[test]
fn the_environment_of_the_target_can_be_had() {
    needs!(Program("unshare"), Program("pgrep"));
    let place = Place::User;
    needs!(In(place));
    let script = "FLAVOUR=theirs sh -c 'exec sleep 60' & sleeps
        FLAVOUR=ours $BIN enter $T -e -- printenv FLAVOUR; FLAVOUR=ours $BIN enter $T -- printenv FLAVOUR; kill $T";
    check(&shell(place, script), "theirs\nours");
}

#[test]
fn the_control_group_is_joined() {
    needs!(In(Place::Root), CgroupV1("pids"));
    let script = "G=/sys/fs/cgroup/pids/lab-$$-enter; mkdir $G
        sh -c \"echo 0 > $G/cgroup.procs; exec sleep 60\" & sleeps
        $BIN enter $T -c -- grep pids: /proc/self/cgroup | sed s/[0-9]*-enter/X/
        $BIN enter $T -- grep -c pids:/lab /proc/self/cgroup
        kill $T; wait $T 2>/dev/null; rmdir $G";
    let output = shell(Place::Root, script);
    let lines: Vec<&str> = output.success().lines().collect();
    assert!(lines[0].ends_with(":pids:/lab-X") && lines[1] == "0", "{output}");
}

#[test]
fn in_a_guest_the_one_group_is_joined() {
    needs!(In(Place::GuestRoot));
    let script = "G=/sys/fs/cgroup/lab-$$-enter; mkdir $G
        sh -c \"echo 0 > $G/cgroup.procs; exec sleep 60\" & sleeps
        $BIN enter $T -c -- cat /proc/self/cgroup | sed s/[0-9]*-enter/X/
        kill $T; wait $T 2>/dev/null; rmdir $G";
    check(&Place::GuestRoot.shell(LAB, &format!("{SLEEPS}\n{script}")), "0::/lab-X");
}

#[test]
fn a_pin_outlives_the_process_and_is_taken_twice_without_harm() {
    needs!(Program("unshare"));
    for place in HERE {
        needs!(In(place));
        // Where pins are made by an ordinary user: in a mount namespace of their own.
        let script = r#"
            cat > inner <<'EOF'
            SLEEPS
            mount -t tmpfs pins "$HOME"; cd "$HOME"; unshare --net sleep 60 & sleeps
            before=$(stat -Lc %i /proc/$T/ns/net)
            "$BIN" pin $T --net kept > /dev/null && "$BIN" pin $T --net kept > /dev/null
            kill $T; wait $T 2>/dev/null
            [ $(stat -Lc %i kept) = $before ] && nsenter --net=kept true && echo kept
            "$BIN" unpin kept && ls | wc -l
EOF
            unshare --user --map-root-user --mount sh inner"#
            .replace("SLEEPS", SLEEPS);
        check(&shell(place, &script), "kept\n0");
    }
}

/// A zombie still has a PID namespace, so that the mount is made; and then its pidfd says that it has
/// ended.
#[test]
fn a_target_that_ends_meanwhile_leaves_no_pin() {
    needs!(Program("unshare"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            cat > inner <<'EOF'
            mount -t tmpfs pins "$HOME"; cd "$HOME"; touch before
            python3 -c 'import os, time; pid = os.fork(); pid or os._exit(0); print(pid, flush=True); time.sleep(60)' > zombie & S=$!
            until grep -qs 'State:.Z' /proc/$(cat zombie 2>/dev/null)/status; do sleep 0.02; done
            for file in kept before; do
                "$BIN" pin $(cat zombie) --pid $file 2>&1 | sed -n 's/.* = \([A-Z]*\) .*/\1/p'
            done
            ls; grep -c nsfs /proc/self/mountinfo; kill $S
EOF
            unshare --user --map-root-user --mount sh inner"#;
        check(&shell(place, script), "ESRCH\nESRCH\nbefore\nzombie\n0");
    }
}

#[test]
fn killed_at_any_moment_nothing_is_left() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for place in [Place::Root, Place::User] {
        needs!(In(place));
        killed_at_random(place, LAB, &[], 15);
    }
}
