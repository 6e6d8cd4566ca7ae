//! A child: held by a pidfd, waited for, and taken along when its parent goes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ground::{Errno, Error, Result};
use nix::{
    sys::{
        signal::Signal,
        wait::{Id as WaitId, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};

use crate::pidfd;

/// A child that was made by [`crate::Spawn`].
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    owned: bool,
    waited: Option<Exit>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned this status.
    Code(i32),
    /// It was killed by this signal.
    Signal(Signal),
}

impl Exit {
    /// The status as a shell and Docker show it: 128 and the signal's number for a signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code as u8,
            Self::Signal(signal) => 128 + signal as i32 as u8,
        }
    }
}

impl Child {
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, owned: true, waited: None }
    }

    /// The same child, to live on when this value is dropped.
    pub(crate) fn released(mut self) -> Self {
        self.owned = false;
        self
    }

    /// The sibling that it forked half-way, in its place.
    pub(crate) fn succeeded_by(mut self, sibling: Pid) -> Result<Self> {
        self.wait()?;
        // Nobody but us can reap it, so the number is still its own.
        Ok(Self::new(sibling, pidfd::open(sibling)?))
    }

    /// Its PID in our own PID namespace.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The descriptor that stands for it.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends it a signal; fine when it has ended.
    ///
    /// # Errors
    /// EPERM when it has become somebody else's.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        pidfd::send_signal(&self.pidfd, signal)
    }

    /// Waits for its end and reaps it. Idempotent.
    ///
    /// # Errors
    /// As waitid(2).
    pub fn wait(&mut self) -> Result<Exit> {
        if let Some(exit) = self.waited {
            return Ok(exit);
        }
        let exit = loop {
            match waitid(WaitId::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED) {
                Ok(WaitStatus::Exited(_, code)) => break Exit::Code(code),
                Ok(WaitStatus::Signaled(_, signal, _)) => break Exit::Signal(signal),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(cannot_wait("WEXITED", errno)),
            }
        };
        self.waited = Some(exit);
        Ok(exit)
    }

    /// Whether it has stopped since this was asked last.
    pub(crate) fn has_stopped(&self) -> Result<bool> {
        let changes = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        match waitid(WaitId::PIDFd(self.pidfd.as_fd()), changes) {
            Ok(WaitStatus::Stopped(..)) => Ok(true),
            Ok(_) | Err(Errno::EINTR | Errno::ECHILD) => Ok(false),
            Err(errno) => Err(cannot_wait("WSTOPPED|WNOHANG", errno)),
        }
    }
}

fn cannot_wait(changes: &str, errno: Errno) -> Error {
    Error::new("cannot wait for the child")
        .call(&format!("waitid(P_PIDFD, pidfd, .., {changes})"), errno)
        .see("2 waitid")
}

impl Drop for Child {
    /// Kills and reaps a child that was to die with us. In a PID namespace of its own all of its
    /// children die with it.
    fn drop(&mut self) {
        if self.owned && self.waited.is_none() {
            let _ = self.kill(Signal::SIGKILL);
            let _ = self.wait();
        }
    }
}
