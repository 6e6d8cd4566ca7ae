//! What the commands do to real processes; the host is the same afterwards.

use serde_json::Value;
use testbed::{Host, Place, needs, snapshot};

const LAB: &str = env!("CARGO_BIN_EXE_lab-02");

/// The group of this run.
const RUN: (&str, &str) = (r"\blab-\d+-", "lab-[RUN]-");

/// Every place in which groups can be made.
const PLACES: [Place; 3] = [Place::Root, Place::GuestRoot, Place::GuestUser];

/// Runs the script, which calls the binary `$BIN`, wherever groups can be made.
#[track_caller]
fn everywhere(check: impl Fn(Place)) {
    for place in PLACES {
        if let Some(reason) = testbed::Need::In(place).missing() {
            testbed::skip(&reason);
            continue;
        }
        let before = Host::now();
        check(place);
        before.assert_unchanged();
    }
}

#[test]
fn the_exit_status_is_the_commands_own() {
    everywhere(|place| {
        let script = "$BIN limit -- sh -c 'exit 7'; echo $?; \
                      $BIN limit -- sh -c 'kill -TERM $$'; echo $?; \
                      $BIN limit -- /nonexistent 2>/dev/null; echo $?; \
                      $BIN limit -- /etc/passwd 2>/dev/null; echo $?";
        assert_eq!(place.shell(LAB, script).success(), "7\n143\n127\n126\n", "{place:?}");
    });
}

#[test]
fn a_limited_command_is_in_a_group_of_its_own_and_the_group_goes() {
    everywhere(|place| {
        let script = "$BIN limit --pids 50 -- sh -c 'grep -q lab-$PPID-limit /proc/self/cgroup' & \
                      pid=$!; wait $pid; echo $?; \
                      find /sys/fs/cgroup -name lab-$pid-limit | wc -l";
        assert_eq!(place.shell(LAB, script).success(), "0\n0\n", "{place:?}");
    });
}

#[test]
fn who_is_killed_for_memory_is_told_so() {
    everywhere(|place| {
        let output = place.shell(LAB, "$BIN limit -m 32m -- $BIN allocate 200000000");
        assert_eq!(output.code, 137, "{place:?}: {output}");
        snapshot!("killed_for_memory", output.stderr);
    });
}

#[test]
fn a_signal_to_the_supervisor_means_the_command() {
    everywhere(|place| {
        let script = "said=$(mktemp); $BIN limit -- sh -c 'trap \"echo got it; exit 3\" TERM; echo up; \
                      while :; do sleep 0.05; done' > $said & pid=$!; until grep -q up $said; do sleep 0.05; done; \
                      kill -TERM $pid; wait $pid; status=$?; cat $said; rm $said; echo $status; find /sys/fs/cgroup -name lab-$pid-limit | wc -l";
        assert_eq!(place.shell(LAB, script).success(), "up\ngot it\n3\n0\n", "{place:?}");
    });
}

#[test]
fn what_is_left_when_the_guardian_was_killed_too_is_swept() {
    everywhere(|place| {
        // The first child is the guardian.
        let script = "said=$(mktemp); $BIN limit -- sh -c 'echo up; sleep 60 & sleep 60' > $said & pid=$!; \
                      until grep -q up $said; do sleep 0.05; done; rm $said; \
                      set -- $(cat /proc/$pid/task/$pid/children); kill -KILL $1 $pid; wait $pid 2>/dev/null; \
                      while grep -qs 'State:.[^XZ]' /proc/$1/status; do sleep 0.05; done; \
                      find /sys/fs/cgroup -name lab-$pid-limit | grep -c .; \
                      $BIN limit -- true; find /sys/fs/cgroup -name lab-$pid-limit | grep -c .; \
                      true";
        let text = place.shell(LAB, script).success().to_owned();
        let (left, after) = text.trim().split_once('\n').unwrap();
        assert_ne!(left, "0", "{place:?}");
        assert_eq!(after, "0", "{place:?}");
    });
}

#[test]
fn a_frozen_group_stands_still_until_it_is_thawed() {
    everywhere(|place| {
        let script = "$BIN limit -- sh -c 'while :; do echo x; sleep 0.02; done' > $PWD_OUT & \
                      pid=$!; until grep -q x $PWD_OUT; do sleep 0.05; done; set -- $(cat /proc/$pid/task/$pid/children); child=$2; \
                      $BIN freeze $child >/dev/null || exit 1; \
                      a=$(wc -l < $PWD_OUT); sleep 0.5; b=$(wc -l < $PWD_OUT); \
                      $BIN thaw $child >/dev/null || exit 2; \
                      until [ $(wc -l < $PWD_OUT) -gt $b ]; do sleep 0.05; done; \
                      kill -TERM $pid; wait $pid; rm -rf ${PWD_OUT%/*}; \
                      [ $a -eq $b ] && echo stood; echo went on";
        let script = format!("PWD_OUT=$(mktemp -d)/out; {script}");
        assert_eq!(place.shell(LAB, &script).success(), "stood\nwent on\n", "{place:?}");
    });
}

#[test]
fn a_program_reads_its_limits_from_the_repaired_files() {
    everywhere(|place| {
        let script = "$BIN limit -m 64m --cpus 1 --repair-proc -- sh -c \
                      'head -n 1 /proc/meminfo; grep -c ^processor /proc/cpuinfo; \
                       grep -c ^cpu[0-9] /proc/stat; cat /sys/devices/system/cpu/online; \
                       echo $BIN | grep -c lab-02'";
        let expected = "MemTotal:          65536 kB\n1\n1\n0\n1\n";
        let text = place.shell(LAB, &format!("export BIN; {script}")).success().to_owned();
        let squeezed = text.split_whitespace().collect::<Vec<_>>();
        assert_eq!(squeezed, expected.split_whitespace().collect::<Vec<_>>(), "{place:?}");
    });
}

#[test]
fn a_quota_cannot_be_outrun_by_threads() {
    everywhere(|place| {
        let script = "$BIN limit --cpus 0.2 -- $BIN busy 3 60000 & pid=$!; \
                      until $BIN tree | grep -q lab-$pid-limit; do sleep 0.05; done; \
                      $BIN --json top -n 1 --interval 1.5 | grep -o \"lab-$pid-limit[^%]*\"; \
                      kill $pid; wait $pid; true";
        let text = place.shell(LAB, script).success().to_owned();
        let share = text.trim().rsplit('"').next().unwrap().trim();
        let share: f64 = share.parse().unwrap_or_else(|_| panic!("{place:?}: {text}"));
        assert!(share > 0.0 && share < 27.0, "{place:?}: {share} %");
    });
}

#[test]
fn one_look_at_top_and_tree_has_our_own_run() {
    everywhere(|place| {
        let script = "$BIN limit -m 64m --pids 20 --cpus 0.5 -- sh -c \
                      '$BIN top -n 1 --interval 0.3 | grep lab- | tr -d \" \"; \
                       $BIN tree | grep -c lab-; $BIN --json top -n 1 --interval 0.1 | head -c 11'";
        let text = place.shell(LAB, &format!("export BIN; {script}")).success().to_owned();
        assert!(text.contains("│64M│"), "{place:?}: {text}");
        assert!(text.contains("│20│"), "{place:?}: {text}");
        assert!(text.ends_with("{\"columns\":"), "{place:?}: {text}");
        assert!(!text.contains('\x1b'), "{place:?}: {text}");
    });
}

#[test]
fn what_is_shown_to_programs_are_events() {
    everywhere(|place| {
        let script = "$BIN --json tree; $BIN --json top -n 2 --interval 0.1; $BIN --json freeze no";
        let output = place.shell(LAB, script);
        let tables = output.stdout.lines().map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["event"], "table", "{place:?}: {line}");
            let width = event["columns"].as_array().unwrap().len();
            let rows = event["rows"].as_array().unwrap();
            assert!(rows.iter().all(|it| it.as_array().unwrap().len() == width), "{line}");
        });
        assert_eq!(tables.count(), 3, "{place:?}: {output}");
        let error: Value = serde_json::from_str(&output.stderr).unwrap();
        assert_eq!(error["event"], "error", "{place:?}: {output}");
    });
}

#[test]
fn a_signal_to_the_demonstration_ends_it_and_its_group() {
    everywhere(|place| {
        let script = "for s in INT TERM HUP; do setsid env --default-signal $BIN >/dev/null & pid=$!; sleep 1.2; \
                      kill -$s $pid; wait $pid; echo $?; for i in $(seq 100); do \
                      [ -z \"$(find /sys/fs/cgroup -name \"lab-$pid-*\")\" ] && break; sleep 0.2; \
                      done; echo $(find /sys/fs/cgroup -name \"lab-$pid-*\"); done";
        let text = place.shell(LAB, script).success().to_owned();
        assert_eq!(text, "130\n\n143\n\n129\n\n", "{place:?}");
    });
}

#[test]
fn an_inhabited_delegated_group_is_left_as_it_was_found() {
    let place = Place::GuestRoot;
    needs!(In(place));
    let script = "set -e; d=/sys/fs/cgroup/box; mkdir $d; \
                  chown 1000 $d $d/cgroup.procs $d/cgroup.subtree_control; \
                  sh -c \"echo \\$\\$ > $d/cgroup.procs; \
                    exec setpriv --reuid 1000 --regid 1000 --clear-groups \
                      $BIN limit --pids 30 -m 64m -- cat /proc/self/cgroup\"; \
                  cat $d/cgroup.subtree_control; ls -d $d/*/ 2>/dev/null | grep -c . || true; \
                  rmdir $d";
    let text = place.shell(LAB, script);
    snapshot!("inhabited_delegated_group", text.text(), [RUN]);
}

#[test]
fn an_ordinary_user_on_v1_is_told_what_would_help() {
    needs!(In(Place::User), CgroupV1("memory"));
    let output = Place::User.run(LAB, &["limit", "-m", "64m", "--", "true"], &[]);
    snapshot!("user_on_v1", output.text());
}

#[test]
fn a_plan_needs_no_privilege() {
    let place = Place::unprivileged();
    needs!(In(place));
    let args = [
        "limit",
        "--explain",
        "--cpus",
        "0.2",
        "-m",
        "64m",
        "--memory-swap",
        "96m",
        "--pids",
        "50",
        "--io",
        "254:0:rbps=1m",
        "--repair-proc",
        "--",
        "sh",
    ];
    let output = place.run(LAB, &args, &[]);
    snapshot!(place, "limit_explain", output.text(), [RUN]);
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    needs!(In(Place::Root), CgroupV1("cpu"), CgroupV1("memory"));
    let before = Host::now();
    let script = "for a in '--cpus 0' '--cpus x' '-m 6x' '--cpuset a' '--io x' \
                    '--io /nonexistent:rbps=1' '--cpu-quota 500' '-m 64m --memory-swap 32m' \
                    '--memory-swap 32m' '--cpu-quota 2000 --cpu-burst 9000' '--cpuset 4000' \
                    '--io 254:77:rbps=1m' '--pids 0' '--pids 99999999999' '-m 0' '--cpuset ,'; do \
                    echo \"\\$ limit $a -- true\"; $BIN limit $a -- true 2>&1; echo \"-> $?\"; done; \
                  echo '$ limit --cpuset \"\" -- true'; $BIN limit --cpuset '' -- true 2>&1; \
                  for a in 'freeze nope' 'freeze 99999999' 'freeze '$$ 'freeze /' 'thaw /' 'thaw nope' \
                           'top --interval 0' 'top nope'; do \
                    echo \"\\$ $a\"; $BIN $a 2>&1; echo \"-> $?\"; done";
    let output = Place::Root.shell(LAB, script);
    before.assert_unchanged();
    let shell = (r"(freeze|of process) \d{2,7}\b", "$1 [PID]");
    snapshot!("bad_input", output.text(), [RUN, shell]);
}

#[test]
fn help() {
    let place = Place::unprivileged();
    needs!(In(place));
    let text =
        place.shell(LAB, "$BIN --help; $BIN limit --help; $BIN top --help; $BIN freeze --help");
    snapshot!("help", text.success());
}
