//! mini-docker and mini-runc beside the programs they stand for: the same image through all of their
//! hands, and the same engines over mini-runc as over runc and crun.
//!
//! A peer passes a check before the check judges us. Everything a test makes is in one temporary
//! directory; peers that write to `/run` or `/var/lib` get a mount namespace with their own, and an
//! engine a whole [`stage`].
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "this library is part of tests, and a test fails by panicking"
)]

pub mod debian;
pub mod docker_registry;
pub mod everyday;
pub mod groups;
pub mod session;
pub mod stage;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its exit status; 128 and more for a signal.
    pub code: i32,
}

impl Said {
    /// The standard output of a program that succeeded.
    ///
    /// # Panics
    /// When it failed.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, 0, "it failed:\n{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Said {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(128),
    }
}

/// Runs a shell script in a mount and PID namespace with a `/run` and `/var/lib/containers` of its
/// own: what a peer leaves there is gone with its last process. A cgroup v2 beside v1 is out of sight,
/// because crun refuses a machine that is both.
#[track_caller]
pub fn apart(script: &str, variables: &[(&str, &Path)]) -> Said {
    const FURNISH: &str = "set -e; mount -t tmpfs tmpfs /run; \
        if [ -d /var/lib/containers ]; then mount -t tmpfs tmpfs /var/lib/containers; fi; \
        umount -R /sys/fs/cgroup/unified 2>/dev/null || true";
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "300", "unshare", "--mount", "--propagation", "private"]);
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
    command.arg(format!("{FURNISH}\n{script}")).envs(variables.iter().copied());
    run(&mut command)
}

/// mini-docker with a store of its own.
#[derive(Debug)]
pub struct Engine {
    root: TempDir,
}

impl Engine {
    /// An engine that has nothing yet.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn new() -> Self {
        Self { root: TempDir::with_prefix("unboxed-engine.").expect("a temporary directory") }
    }

    /// The program, which Cargo has built beside the tests.
    ///
    /// # Panics
    /// When it is not there: `cargo build -p lab-07`.
    pub fn program() -> PathBuf {
        Self::program_named("mini-docker")
    }

    /// A program of lab 07, which Cargo has built beside the tests.
    ///
    /// # Panics
    /// When it is not there.
    pub fn program_named(name: &str) -> PathBuf {
        let tests = std::env::current_exe().expect("this program has a path");
        let program = tests.ancestors().nth(2).expect("target/debug").join(name);
        assert!(program.exists(), "{} is not built", program.display());
        program
    }

    /// Runs one command of it.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Said {
        self.run_as("exec \"$@\"", args)
    }

    /// Runs one command of it where no cgroup v2 can be seen beside v1: crun refuses a machine that
    /// is both.
    #[track_caller]
    pub fn run_without_hybrid(&self, args: &[&str]) -> Said {
        let alone = "exec unshare --mount --propagation private sh -c \
            'umount -R /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"' - \"$@\"";
        self.run_as(alone, args)
    }

    fn run_as(&self, script: &str, args: &[&str]) -> Said {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "300", "sh", "-c", script, "-"]).arg(Self::program());
        run(command.arg("--root").arg(self.root.path()).args(args))
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Engine {
    /// A failed test may leave containers; they go before their directory does.
    fn drop(&mut self) {
        let listed = self.run(&["ps", "-a", "-q"]);
        for id in listed.stdout.lines() {
            self.run(&["rm", "-f", id]);
        }
    }
}
