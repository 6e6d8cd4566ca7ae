//! The demonstrations on a kernel that is older: Debian 12's, where newer calls and options do not
//! exist yet. Each tells its story to the end, and says in words what cannot be shown there.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, and its functions are not all marked as tests"
)]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use testbed::{Host, Need, check_events, skip};

/// Linux 6.1; the other tests have a newer one.
const SUITE: &str = "bookworm";

/// What cargo has built beside the tests: the programs, if all are there.
fn programs() -> Option<PathBuf> {
    let tests = std::env::current_exe().expect("this program has a path");
    let built = tests.ancestors().nth(2).expect("target/debug").to_owned();
    let all = ["lab-01", "lab-02", "lab-03", "lab-04", "lab-05", "lab-06", "mini-docker"];
    all.iter().all(|program| built.join(program).exists()).then_some(built)
}

fn guest(program: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest").join(program))
}

/// Plays the demonstrations in one guest, and compares what could not be shown: `lab-04: 8, 9`.
#[track_caller]
fn check(flags: &[&str], demonstrations: &[&str], not_here: &str) {
    if let Some(reason) = Need::Guest.missing() {
        return skip(&reason);
    }
    if !guest("fetch-kernel").args(["-n", SUITE]).output().is_ok_and(|it| it.status.success()) {
        return skip("no older kernel here: tests/guest/fetch-kernel bookworm");
    }
    let Some(programs) = programs() else {
        return skip("not built: cargo build --workspace --bins");
    };
    let before = Host::now();
    let play = "for demo; do echo \"# $demo\"; $demo --json || echo \"# status $?\"; done";
    let mut command = guest("run");
    command.args(flags).args(["-k", SUITE, "-t", "200", "-b"]).arg(&programs).arg("-e");
    command.arg(format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display()));
    let output = command.args(["--", "sh", "-c", play, "sh"]).args(demonstrations).output();
    let output = output.expect("a guest");
    let (told, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // In JSON no line begins with a number sign.
    let told = format!("\n{told}");
    let stories: Vec<_> =
        told.split("\n# ").skip(1).filter_map(|story| story.split_once('\n')).collect();
    let played: Vec<_> = stories.iter().map(|(name, _)| *name).collect();
    assert_eq!(played, demonstrations, "{told}\n{said}");
    let mut refused = Vec::new();
    for (name, story) in stories {
        check_events(story).unwrap_or_else(|why| panic!("{name}: {why}\n{story}\n{said}"));
        let scenes: Vec<_> = story.lines().filter_map(not_shown).collect();
        if !scenes.is_empty() {
            refused.push(format!("{name}: {}", scenes.join(", ")));
        }
    }
    assert_eq!(refused.join("; "), not_here);
    before.assert_unchanged();
}

/// The number of a scene that could not be shown.
fn not_shown(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).expect("an event");
    (event["event"] == "not_here").then(|| event["number"].to_string())
}

#[test]
fn root_sees_all_demonstrations() {
    let all = ["lab-01", "lab-02", "lab-03", "lab-04", "lab-05", "lab-06", "mini-docker demo"];
    // User-mode Linux has no time namespaces.
    check(&[], &all, "lab-01: 10");
}

#[test]
fn a_user_sees_all_but_what_a_tmpfs_cannot_hold() {
    // Attributes of ordinary users came to tmpfs with Linux 6.6.
    check(&["-u"], &["lab-01", "lab-03", "lab-04", "lab-05", "lab-06"], "lab-01: 10; lab-04: 8, 9");
}
