//! On v2 a machine hands the same controllers down afterwards as before, whoever ends us.

use std::{path::Path, time::Duration};

use testbed::{Need, Place, Run, needs};

const LAB: &str = env!("CARGO_BIN_EXE_lab-02");

/// What each group hands down, and our notes about it.
const LOOK: &str = r#"
look() { (cd /sys/fs/cgroup; find . -name cgroup.subtree_control -exec grep -H . {} + | sort
  python3 -c 'import os; [print(d, os.listxattr(d + "/cgroup.subtree_control")) for d, _, f in os.walk(".")
    if "cgroup.subtree_control" in f and os.listxattr(d + "/cgroup.subtree_control")]'); }
same() { for i in $(seq 100); do [ "$(look)" = "$before" ] && return; sleep 0.05; done
  echo "$1:"; look; exit 1; }
place() { d=/sys/fs/cgroup$(sed s/^0::// /proc/self/cgroup); case $d in */app.slice/*) dirname $d;; *) echo /sys/fs/cgroup;; esac; }
place=$(place) before=$(look)
"#;

/// Runs the script where no controller is handed down yet to the groups that we may make.
#[track_caller]
fn bare(script: &str) {
    for place in [Place::GuestRoot, Place::GuestUser] {
        if let Some(reason) = Need::In(place).missing() {
            testbed::skip(&reason);
            continue;
        }
        let script = format!("{LOOK}{script}");
        let limit = Duration::from_secs(60);
        let run = Run { script: Some(&script), kernel: "bare", limit, ..Run::of(Path::new(LAB)) };
        assert_eq!(run.run_killing_in(place).success(), "", "{place:?}");
    }
}

#[test]
fn what_was_enabled_for_a_group_goes_with_it() {
    bare(
        r#"
        $BIN limit -m 64m -- grep -q memory $place/cgroup.subtree_control || echo not handed down
        same "after one group"
        $BIN limit -m 64m -- sleep 1 & $BIN limit --pids 9 --cpus 1 -- sleep 0.5; wait
        same "after two at once"
        $BIN limit -m 1 -- true 2>/dev/null
        same "after one that was killed"
        $BIN limit --pids 99999999999 -- true 2>/dev/null
        same "after a limit that was refused""#,
    );
}

#[test]
fn what_was_enabled_for_a_demonstration_goes_with_it() {
    bare(r#"$BIN >/dev/null; same "after a demonstration""#);
}

#[test]
fn what_was_enabled_for_a_killed_maker_goes_with_it() {
    bare(
        r#"
        for moment in 0.01 0.03 0.05 0.08 0.1 0.2; do
          setsid $BIN limit -m 64m -- sleep 60 & pid=$!; sleep $moment; kill -KILL $pid; wait $pid 2>/dev/null
          same "killed after $moment s"
        done
        said=$(mktemp); $BIN limit -m 64m -- sh -c 'echo up; sleep 60' > $said & pid=$!
        until grep -q up $said; do sleep 0.05; done; rm $said
        set -- $(cat /proc/$pid/task/$pid/children); kill -KILL $1 $pid; wait $pid 2>/dev/null
        while grep -qs 'State:.[^XZ]' /proc/$1/status; do sleep 0.05; done
        $BIN limit -- true; same "swept after its guardian was killed, too""#,
    );
}

#[test]
fn what_was_enabled_before_stays() {
    bare(
        r#"
        echo +pids > $place/cgroup.subtree_control; before=$(look)
        $BIN limit -m 64m --pids 9 -- true; same "with pids enabled before""#,
    );
}

#[test]
fn what_somebody_else_uses_now_stays_until_they_have_gone() {
    bare(
        r#"
        mkdir $place/old
        $BIN limit -m 64m --pids 9 -- mkdir $place/newer
        grep -q memory $place/cgroup.subtree_control || echo a newer group lost its controller
        rmdir $place/newer; $BIN limit -- true
        grep -q memory $place/cgroup.subtree_control && echo it stayed for nobody
        $BIN limit -m 64m --pids 9 -- sh -c 'echo 7 > $0/old/pids.max' $place
        [ "$(cat $place/cgroup.subtree_control)" = pids ] || echo a limit was lost
        echo max > $place/old/pids.max; $BIN limit -- true
        $BIN limit -m 64m --pids 9 -- sh -c 'echo +memory > $0/old/cgroup.subtree_control' $place
        [ "$(cat $place/cgroup.subtree_control)" = memory ] || echo a group below lost it
        echo -memory > $place/old/cgroup.subtree_control; $BIN limit -- true
        rmdir $place/old; same "after all of them""#,
    );
}

#[test]
fn groups_that_come_and_go_side_by_side_have_their_controllers() {
    bare(
        r#"
        many() { for i in $(seq 8); do $BIN limit -m 64m --pids 20 -- true || echo "exit $?"; done; }
        many & many & many & wait; same "after many at once""#,
    );
}

#[test]
fn nobody_makes_a_group_while_somebody_takes_controllers_back() {
    bare(
        r#"
        # The lock first; the group then comes after it, with its controllers.
        said=$(mktemp)
        flock $place/cgroup.subtree_control sh -c 'sleep 0.5; echo released' >> $said & sleep 0.2
        $BIN limit -m 64m -- echo made >> $said
        [ "$(echo $(cat $said))" = "released made" ] || cat $said
        rm $said
        # A group first; what it had handed down stays until the lock is free.
        $BIN limit -m 64m -- sleep 0.4 & until grep -q memory $place/cgroup.subtree_control; do sleep 0.02; done
        flock $place/cgroup.subtree_control sh -c 'sleep 0.8; grep -q memory $0' \
          $place/cgroup.subtree_control || echo taken back without the lock
        wait; same "after both""#,
    );
}

#[test]
fn a_stranger_who_holds_the_lock_keeps_nobody() {
    needs!(In(Place::GuestRoot));
    bare(
        r#"
        flock $place/cgroup.subtree_control sleep 5 & sleep 0.3
        $BIN limit -m 64m -- true; wait"#,
    );
}
