//! The places are what they say, and the watchmen see what they should.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use testbed::{Host, Place, Run, needs, snapshot};

const BUSYBOX: &str = "/bin/busybox";

/// What a place shows of itself.
const WHO: &str = r#"
    echo "$($BIN id -u) $($BIN id -g) $($BIN id -G)"
    echo "home $HOME $($BIN stat -c '%u %a' "$HOME")"
    echo "pure v2: $($BIN grep -q ' - cgroup ' /proc/self/mountinfo && echo no || echo yes)"
    $BIN grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
    echo "subids: $($BIN grep -c "^$($BIN id -un):" /etc/subuid)"
    env | $BIN sort | $BIN grep -vE '^(HOME|PWD|OLDPWD|SHLVL|_|UNBOXED_TEST|BIN)='
"#;

fn check(place: Place) {
    let before = Host::now();
    let output = place.shell(BUSYBOX, WHO);
    output.success();
    before.assert_unchanged();
    snapshot!(
        place,
        "who",
        output.text(),
        [
            (r"(NoNewPrivs|CapEff):\s+", "$1: "),
            (r"CapEff: 0*[1-9a-f][0-9a-f]{9,}", "CapEff: [MANY]"),
            (r"home /tmp/\S+", "home [STAGE]"),
        ]
    );
}

#[test]
fn root_is_root() {
    needs!(Program("busybox"), In(Place::Root));
    check(Place::Root);
}

#[test]
fn a_user_is_none_of_the_machines() {
    needs!(Root, Program("busybox"), In(Place::User));
    check(Place::User);
}

#[test]
fn a_user_may_have_subordinate_ids() {
    needs!(Root, Program("busybox"), In(Place::UserWithSubids));
    check(Place::UserWithSubids);
}

#[test]
fn newuidmap_serves_the_user_who_has_them() {
    needs!(UserNs, In(Place::UserWithSubids));
    let output =
        Place::UserWithSubids.shell(BUSYBOX, "unshare -r --map-auto cat /proc/self/uid_map");
    assert_eq!(output.success().lines().count(), 2, "{output}");
}

#[test]
fn a_guest_has_cgroup_v2_only() {
    needs!(Program("busybox"), In(Place::GuestRoot));
    check(Place::GuestRoot);
}

#[test]
fn a_guests_user_may_limit_what_it_runs() {
    needs!(Program("busybox"), In(Place::GuestUser));
    check(Place::GuestUser);
    let output = Place::GuestUser.shell(
        BUSYBOX,
        "cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/.. && mkdir own && echo 7 > own/pids.max && \
         echo $$ > own/cgroup.procs && cat own/pids.max",
    );
    assert_eq!(output.success(), "7\n");
}

#[test]
fn output_and_status_come_back_apart() {
    needs!(Program("busybox"), In(Place::GuestRoot), Root);
    for place in Place::ALL.into_iter().filter(|place| place.missing().is_none()) {
        let output = place.shell(BUSYBOX, "echo out; echo err >&2; exit 7");
        assert_eq!(
            (output.code, &*output.stdout, &*output.stderr),
            (7, "out\n", "err\n"),
            "{place:?}"
        );
    }
}

#[test]
fn standard_input_is_given() {
    needs!(Program("busybox"));
    let place = Place::unprivileged();
    let run = Run { args: &["cat"], stdin: "said\n", ..Run::of(Path::new(BUSYBOX)) };
    assert_eq!(run.run_in(place).success(), "said\n");
}

#[test]
#[should_panic(expected = "no end after 1 s; until then:\nstarted")]
fn what_does_not_end_is_ended() {
    let script = Some("echo started; setsid sleep 300 & sleep 300");
    let limit = Duration::from_secs(1);
    Run { script, limit, ..Run::of(Path::new("/bin/sh")) }.run_in(Place::unprivileged());
}

#[test]
fn a_command_that_was_ended_leaves_no_process() {
    let before = Host::now();
    let run = || {
        let script = Some("setsid sleep 300 & setsid sleep 300");
        let limit = Duration::from_secs(1);
        Run { script, limit, ..Run::of(Path::new("/bin/sh")) }.run_in(Place::unprivileged())
    };
    assert!(std::panic::catch_unwind(run).is_err());
    before.assert_unchanged();
}

#[test]
fn a_guest_that_was_ended_leaves_no_process() {
    needs!(In(Place::GuestRoot));
    let started = Instant::now();
    let before = Host::now();
    let limit = Duration::from_secs(1);
    let run = Run { script: Some("sleep 300"), limit, ..Run::of(Path::new("/bin/sh")) };
    assert_eq!(run.run_in(Place::GuestRoot).code, 124);
    before.assert_unchanged();
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_command_may_be_killed_at_any_moment() {
    let place = Place::unprivileged();
    let killed = testbed::killed_at_random(place, "/bin/sh", &["-c", "sleep 0.2"], 10);
    assert!(killed > 0, "no trial was killed before its end");
}

#[test]
#[should_panic(expected = "live on")]
fn a_child_that_outlives_its_killed_parent_is_seen() {
    let script = "sleep 0.1; setsid sleep 8 >/dev/null 2>&1 & sleep 0.5; kill $!";
    testbed::killed_at_random(Place::unprivileged(), "/bin/sh", &["-c", script], 20);
}

#[test]
fn a_skip_fails_where_everything_must_run() {
    // In a process of its own, because the environment belongs to all threads.
    let test = std::env::current_exe().unwrap();
    let run = |must_run: &str| {
        let args = &["--exact", "a_need_that_is_never_met", "--ignored", "--nocapture"];
        let env = &[("LABS_MUST_RUN", must_run)];
        Place::unprivileged().run(&test, args, env)
    };
    let skipped = run("0");
    assert!(skipped.stderr.contains("SKIP "), "{skipped}");
    skipped.success();
    run("1").failure(101);
}

#[test]
#[ignore = "run by another test"]
fn a_need_that_is_never_met() {
    needs!(Program("no-such-program"));
    panic!("not reached");
}
