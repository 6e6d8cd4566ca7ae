//! Pidfds: a process held by a descriptor cannot be mistaken for the next one with its number.

use std::os::fd::{AsFd, OwnedFd};

use ground::{Errno, Error, Result};
use nix::{sys::signal::Signal, unistd::Pid};

use crate::sys;

/// A descriptor for process `pid` (man 2 pidfd_open).
///
/// # Errors
/// ESRCH when there is no such process.
pub fn open(pid: Pid) -> Result<OwnedFd> {
    sys::pidfd_open(pid).map_err(|errno| {
        let error = Error::new(format!("cannot find process {pid}"))
            .call(&format!("pidfd_open({pid}, 0)"), errno)
            .see("2 pidfd_open");
        match errno {
            Errno::ESRCH => error.fix("list the processes that run: ps -e"),
            // What a parent shows as whose PID namespace is around ours (man 7 pid_namespaces).
            Errno::EINVAL if pid.as_raw() == 0 => error.fix(
                "0 is nobody's number: it stands for a process outside of the PID namespace; give a \
                 number that ps -e shows",
            ),
            Errno::EINVAL => error.fix("give the number of a process, not of one of its threads"),
            _ => error,
        }
    })
}

/// Sends `signal` to the process behind `pidfd`; a process that has ended is no error.
///
/// # Errors
/// EPERM when the process is not ours.
pub fn send_signal(pidfd: impl AsFd, signal: Signal) -> Result<()> {
    match sys::pidfd_send_signal(pidfd.as_fd(), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Error::new("cannot signal the process")
            .call(&format!("pidfd_send_signal(pidfd, {signal}, NULL, 0)"), errno)
            .see("2 pidfd_send_signal")
            .fix("signal only processes of your own, or do it as root")),
    }
}
