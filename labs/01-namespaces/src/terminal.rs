//! The terminal: it signals the process group in its foreground, by a number that must exist inside.
//!
//! A shell takes the terminal for itself, and at its end gives it back to the group it had it from.
//! In another PID namespace that group has no number, and the shell complains ("Cannot set tty
//! process group"). So a child there gets a group of its own, which is in the foreground while it
//! runs, and job control is ours: who starts a job takes the terminal back (man 7 credentials, man 3
//! tcsetpgrp).

use std::{
    io::stdin,
    os::fd::{AsFd, OwnedFd},
};

use ground::{Errno, Explanation, Step};
use nix::{
    sys::signal::{SigSet, SigmaskHow, Signal},
    unistd::{Pid, getpgrp, getpid, setpgid, tcgetpgrp, tcsetpgrp},
};

/// The terminal on standard input, with us in its foreground.
#[derive(Debug)]
pub struct Terminal(OwnedFd);

impl Terminal {
    /// `None` where standard input is no terminal, or another process group has it.
    pub fn ours() -> Option<Self> {
        let terminal = stdin().as_fd().try_clone_to_owned().ok()?;
        (tcgetpgrp(&terminal).ok()? == getpgrp()).then_some(Self(terminal))
    }

    /// The step by which a child takes it.
    pub fn step(&self) -> Option<TakeTerminal> {
        self.0.try_clone().ok().map(TakeTerminal)
    }

    /// Puts the process group of `child` into the foreground.
    pub(crate) fn give_to(&self, child: Pid) {
        // A child that has just ended has no use for it.
        let _ = put_into_foreground(&self.0, child);
    }

    /// Puts our own group back.
    pub(crate) fn take_back(&self) {
        // It fails when the terminal has hung up; then nobody reads the complaint either.
        let _ = put_into_foreground(&self.0, getpgrp());
    }
}

/// A process group of its own, in the foreground of the terminal.
#[derive(Debug)]
pub struct TakeTerminal(OwnedFd);

impl Step for TakeTerminal {
    fn run(&self) -> Result<(), Errno> {
        let ourselves = Pid::from_raw(0);
        setpgid(ourselves, ourselves)?;
        put_into_foreground(&self.0, getpid())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "setpgid(0, 0); tcsetpgrp(0, getpid())",
            "the group that has the terminal must have a number inside, for a shell to return it to",
            "3 tcsetpgrp",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ENOTTY | Errno::EIO => {
                Some("the terminal is gone, or not that of this session: log in anew, or script(1)")
            }
            Errno::EPERM => Some("who leads a session keeps its group: start it without setsid"),
            Errno::ESRCH | Errno::EINVAL => Some("the group has ended: start the command again"),
            _ => None,
        }
    }
}

fn put_into_foreground(terminal: &OwnedFd, group: Pid) -> Result<(), Errno> {
    // A group in the background that asks is stopped by SIGTTOU, unless it blocks that.
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTTOU);
    let before = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let put = tcsetpgrp(terminal, group);
    before.thread_set_mask()?;
    put
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_of_the_manual_has_its_advice() {
        let take = TakeTerminal(stdin().as_fd().try_clone_to_owned().unwrap());
        for errno in [Errno::EINVAL, Errno::EIO, Errno::ENOTTY, Errno::EPERM, Errno::ESRCH] {
            assert!(take.fix(errno).is_some(), "{errno}");
        }
    }
}
