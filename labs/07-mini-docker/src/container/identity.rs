//! Identity: which process, also after its number was given to another.
//!
//! A PID alone is no name: the kernel gives it again. PID, start time (proc_pid_stat(5), field 22)
//! and boot are one. They are written into the record, so that a later command can tell whether the
//! monitor of a container still lives, even if it was killed by SIGKILL.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use ground::{Error, Result};
use namespaces::pidfd;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// A process, for as long as this boot lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number, in our PID namespace.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    start_time: u64,
    /// Which boot.
    boot_id: String,
}

impl Identity {
    /// Who `pid` is now.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: Pid) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let (_, start_time) =
            fs::read_to_string(&path).ok().as_deref().and_then(parse).ok_or_else(|| {
                Error::new(format!("cannot see process {pid}")).why(format!("{path} is not there"))
            })?;
        Ok(Self { pid: pid.as_raw(), start_time, boot_id: boot_id() })
    }

    /// Whether a process with this number runs, whichever it is. A zombie does not: its PID is taken
    /// until somebody asks how it ended, and nothing else of it is there to be joined.
    pub fn runs(pid: i32) -> bool {
        Self::of(Pid::from_raw(pid)).is_ok_and(|process| process.is_alive())
    }

    /// Whether this very process still runs. A zombie does not: all it had is gone.
    pub fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok();
        let now = stat.as_deref().and_then(parse);
        now.is_some_and(|(state, start_time)| {
            start_time == self.start_time && !matches!(state, 'Z' | 'X')
        }) && self.boot_id == boot_id()
    }

    /// A descriptor of this very process, or `None` if it has ended. It becomes readable when the
    /// process ends (man 2 pidfd_open).
    pub fn open(&self) -> Option<OwnedFd> {
        let fd = pidfd::open(Pid::from_raw(self.pid)).ok()?;
        // After the open: what is true now was true of the process that the descriptor stands for.
        self.is_alive().then_some(fd)
    }

    /// Waits until this process has ended, or the time is over. Whether it has ended.
    pub fn await_end(&self, at_most: Option<Duration>) -> bool {
        let Some(pidfd) = self.open() else { return true };
        let timeout = at_most.map_or(PollTimeout::NONE, |time| {
            PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
        });
        loop {
            let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ended, timeout) {
                Err(Errno::EINTR) => {}
                Ok(0) => return false,
                _ => return true,
            }
        }
    }
}

/// State and start time. The name in parentheses may hold anything, so we count from its end.
fn parse(stat: &str) -> Option<(char, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 is the state; 22 is 18 fields after the one that follows it.
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// An id that the kernel makes at each boot (man 5 proc_sys_kernel).
fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let stat = "7 (a) R 1) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 2 3";
        assert_eq!(parse(stat), Some(('S', 4242)));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn we_are_alive_and_somebody_else_with_our_number_is_not_us() {
        let ourselves = Identity::of(Pid::this()).unwrap();
        assert!(ourselves.is_alive());
        assert!(ourselves.open().is_some());
        let before_us = Identity { start_time: ourselves.start_time - 1, ..ourselves.clone() };
        assert!(!before_us.is_alive());
        let other_boot = Identity { boot_id: String::new(), ..ourselves };
        assert!(!other_boot.is_alive());
    }
}
