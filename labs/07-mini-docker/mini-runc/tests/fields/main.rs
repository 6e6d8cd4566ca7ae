//! Fields of config.json that the peers of Debian 12 do not know yet, or answer in other words: each
//! is read back from the kernel, inside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../bundle/mod.rs"]
mod bundle;
mod hooks;
mod labels;
mod mounts;
mod namespaces;
mod network;
mod places;
mod proc;
mod process;
mod resources;
mod seccomp;

use bundle::{Runtime, Stage};
use serde_json::{Value, json};

/// A container of ours that runs this program, with config.json changed.
#[track_caller]
fn stage(args: &[&str], change: impl FnOnce(&mut Value)) -> Stage {
    let stage = Stage::new(Runtime::MiniRunc);
    stage.configure(|config| {
        config["ociVersion"] = json!("1.3.0");
        config["process"]["args"] = json!(args);
        change(config);
    });
    stage
}

/// What a program says in such a container.
#[track_caller]
fn says(args: &[&str], change: impl FnOnce(&mut Value), expected: &str) {
    let output = stage(args, change).run();
    assert_eq!(output.ok().trim(), expected.trim());
}

/// The error that such a container ends with.
#[track_caller]
fn refuses(change: impl FnOnce(&mut Value), words: &str) {
    stage(&["true"], change).run().refused(words);
}
