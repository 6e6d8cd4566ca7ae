//! Known ways out of a container, each tried and each failing for the stated reason.
//!
//! Where it can be had, the same attack is first seen to succeed against a naive program, so that
//! a test that could not fail is noticed. Each test prints how many cases it tried.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how many cases it tried"
)]

#[path = "../bundle/mod.rs"]
mod bundle;
#[path = "../scene/mod.rs"]
mod scene;
#[path = "../tracer/mod.rs"]
mod tracer;

mod descriptors;
mod exe;
mod identity;
mod interpreter;
mod joining;
mod paths;
mod races;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use bundle::{Runtime, Stage};
use scene::Said;

/// A stage whose container, were it to run, has the capabilities of root besides Docker's.
fn stage() -> Stage {
    Stage::new(Runtime::MiniRunc)
}

/// Puts an executable file into the root file system.
fn program(stage: &Stage, name: &str, text: &str) {
    let path = stage.bundle().join("rootfs").join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a process of the container wrote to a file, as soon as it is there.
#[track_caller]
fn written(path: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(Instant::now() < deadline, "nobody wrote {}", path.display()),
        }
        thread::sleep(Duration::from_millis(10));
    }
}
