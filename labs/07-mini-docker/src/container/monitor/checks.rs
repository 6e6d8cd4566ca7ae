//! Checks: the program that asks now and then whether the container's program is well.
//!
//! It is the large program under the hidden name `probe`, which executes the check in the container
//! and writes what it found into the record. One at a time; the next one is counted from the end of
//! the last.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use namespaces::pidfd;
use nix::{
    sys::wait::{Id, WaitPidFlag, WaitStatus, waitid},
    unistd::Pid,
};

use super::handover::{Check, STARTING, Watch};

pub(super) struct Checks<'a> {
    watch: &'a Watch,
    check: &'a Check,
    next: Instant,
    running: Option<(Child, OwnedFd)>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(watch: &'a Watch, check: &'a Check) -> Self {
        let next = Instant::now() + Duration::from_millis(check.first_ms);
        Self { watch, check, next, running: None }
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
        reap_strangers(self.watch);
        let mut command = self.watch.large(&self.check.words);
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

/// As a subreaper we inherit what a killed check leaves. The container's own process stays: its
/// status is what we are here for.
fn reap_strangers(watch: &Watch) {
    let first = watch.process.and_then(|fd| {
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse::<i32>().ok())
    });
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
