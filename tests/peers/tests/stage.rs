//! The stage of the engines: nothing of it stays, in whatever way it ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use peers::{
    groups,
    stage::{Machine, Scene, Stage},
};
use testbed::{Host, needs};

fn podman() -> Scene {
    Scene {
        engine: "podman",
        runtime: PathBuf::from("/usr/bin/crun"),
        machine: Machine::HereWithoutV2,
    }
}

/// What is run again as a program of its own, to be killed; alone it does nothing.
#[test]
fn a_program_with_a_paused_container() {
    if env::var_os("UNBOXED_HOLD_STAGE").is_none() {
        return;
    }
    let mut stage = Stage::new(&podman());
    let (said, status) = stage.step("podman run -d --name one box sleep 1000 && podman pause one");
    assert_eq!(status, 0, "{said}");
    std::io::stdout().write_all(b"\nready\n").unwrap();
    sleep(Duration::from_secs(1000));
}

#[test]
fn a_killed_test_leaves_nothing_that_is_not_swept() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    let mut program = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "a_program_with_a_paused_container"])
        .env("UNBOXED_HOLD_STAGE", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(program.stdout.take().unwrap());
    assert!(said.lines().map_while(Result::ok).any(|line| line == "ready"), "it was not ready");
    program.kill().unwrap();
    program.wait().unwrap();
    // Whoever makes a stage next removes what is left of this one, once it is dead.
    for _ in 0..50 {
        groups::sweep();
        sleep(Duration::from_millis(if before.changes().is_empty() { 10 } else { 100 }));
    }
    before.assert_unchanged();
}
