//! Starts: what a program costs before it does anything, counted.
//!
//! A page fault is a page that is read, copied or cleared for the program (getrusage(2), `ru_minflt`):
//! the same number on a busy machine.

use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use nix::sys::resource::{UsageWho, getrusage};

use crate::numbers::{median, table};

/// What is started: in words, the program beside ours, its name for itself, and its only words.
const STARTS: [(&str, &str, &str, &[&str]); 5] = [
    ("no verb: --version", "mini-docker", "mini-docker", &["--version"]),
    ("the flags of one verb: version", "mini-docker", "mini-docker", &["version"]),
    (
        "the flags of all verbs: completion bash",
        "mini-docker",
        "mini-docker",
        &["completion", "bash"],
    ),
    ("as the runtime: --version", "mini-docker", "mini-runc", &["--version"]),
    ("the small runtime: --version", "mini-docker-runtime", "mini-runc", &["--version"]),
];

/// A line for each kind of start.
///
/// # Errors
/// A program that cannot be executed.
pub fn all(program: &Path) -> io::Result<String> {
    let line = |(what, file, name, words): &(&str, &str, &str, &[&str])| {
        let faults = (0..21).map(|_| faults(&program.with_file_name(file), name, words));
        let faults = faults.collect::<io::Result<Vec<_>>>()?;
        Ok(vec![(*what).to_owned(), median(&faults).to_string()])
    };
    let lines = STARTS.iter().map(line).collect::<io::Result<Vec<_>>>()?;
    Ok(table(&["a start of mini-docker", "page faults"], &lines))
}

fn faults(program: &Path, name: &str, words: &[&str]) -> io::Result<i64> {
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?.minor_page_faults();
    let mut command = Command::new(program);
    command.arg0(name).args(words).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.minor_page_faults() - before)
}
