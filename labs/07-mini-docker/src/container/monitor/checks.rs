//! Checks: the program that asks now and then whether the container's program is well.
//!
//! It is the large program under the hidden name `probe`, which executes the check in the container
//! and writes what it found into the record. One at a time; the next one is counted from the end of
//! the last.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use namespaces::pidfd;
use nix::{
    sys::wait::{Id, WaitPidFlag, WaitStatus, waitid},
    unistd::Pid,
};

use super::handover::{self, Check, STARTING};

pub(super) struct Checks<'a> {
    /// The large program.
    program: &'a OwnedFd,
    check: &'a Check,
    /// The container's first process.
    first: Option<i32>,
    next: Instant,
    running: Option<(Child, OwnedFd)>,
}

impl<'a> Checks<'a> {
    /// Checks of the container whose first process is `process`.
    pub(super) fn new(program: &'a OwnedFd, check: &'a Check, process: Option<&OwnedFd>) -> Self {
        let next = Instant::now() + Duration::from_millis(check.first_ms);
        Self { program, check, first: process.and_then(number), next, running: None }
    }

    /// How long until the next one; `None` while one runs.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let until = || self.next.saturating_duration_since(Instant::now());
        self.running.is_none().then(until)
    }

    /// The one that runs, to wait for.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|(_, pidfd)| pidfd.as_fd())
    }

    /// Begins the next one, if it is time.
    pub(super) fn go_on(&mut self) {
        if self.running.is_some() || Instant::now() < self.next {
            return;
        }
        reap_strangers(self.first);
        let mut command = handover::large(self.program, &self.check.words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.spawn().ok().and_then(|child| {
            let pid = Pid::from_raw(child.id().cast_signed());
            Some((child, pidfd::open(pid).ok()?))
        });
        self.running = started;
        if self.running.is_none() {
            self.again_after(self.check.every_ms);
        }
    }

    /// The one that ran has ended.
    pub(super) fn ended(&mut self) {
        let Some((mut child, _)) = self.running.take() else { return };
        let code = child.wait().ok().and_then(|status| status.code());
        let is_starting = code == Some(STARTING.into());
        self.again_after(if is_starting { self.check.first_ms } else { self.check.every_ms });
    }

    fn again_after(&mut self, time_ms: u64) {
        self.next = Instant::now() + Duration::from_millis(time_ms);
    }
}

/// The number of a process (man 2 pidfd_open). It is our child, and keeps it until we have reaped it.
fn number(process: &OwnedFd) -> Option<i32> {
    let path = format!("/proc/self/fdinfo/{}", process.as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
}

/// As a subreaper we inherit what a killed check leaves. The container's `first` process stays: its
/// status is what we are here for.
fn reap_strangers(first: Option<i32>) {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, look) {
        let Some(pid) = status.pid().filter(|pid| Some(pid.as_raw()) != first) else { return };
        if matches!(status, WaitStatus::StillAlive)
            || waitid(Id::Pid(pid), WaitPidFlag::WEXITED).is_err()
        {
            return;
        }
    }
}
