//! Signals that mean the child: a program that waits for another should not be in its way.
//!
//! Ctrl-C reaches every process of the foreground group, `kill` only the one it names. Whoever
//! waits for a command must not end on either before it has taken away what it made, and must hand
//! the second kind on. So the signals are blocked and read from a descriptor (man 2 signalfd),
//! which can be waited for together with a pidfd. The mask that this needs would survive
//! execve(2); [`crate::Exec`] empties it.

use std::os::fd::AsFd;

use ground::{Errno, Error, Result};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
    },
};

use crate::{Child, Exit};

/// The signals that mean the command, not us.
const FORWARDED: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Signals that arrive at a descriptor instead of ending us.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// From here on a signal waits until [`Signals::wait`] passes it on. Take it before anything is
    /// made that has to be removed, so that no Ctrl-C falls in between.
    ///
    /// # Errors
    /// EMFILE when there are too many descriptors.
    pub fn hold() -> Result<Self> {
        let failed = |call: &'static str| {
            move |errno| {
                let error = Error::new("cannot hold signals").call(call, errno);
                error.see("2 signalfd").fix("close files, or raise the limit: ulimit -n")
            }
        };
        let set: SigSet = FORWARDED.into_iter().collect();
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let fd = fd.map_err(failed("signalfd(-1, .., SFD_CLOEXEC|SFD_NONBLOCK)"))?;
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)
            .map_err(failed("sigprocmask(SIG_BLOCK, ..)"))?;
        Ok(Self(fd))
    }

    /// Waits for the child's end and hands it every signal that was sent to us.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait(&self, child: &mut Child) -> Result<Exit> {
        while !self.ended(child)? {
            self.pass_on(child)?;
        }
        child.wait()
    }

    /// Waits until the child has ended or a signal is there.
    fn ended(&self, child: &Child) -> Result<bool> {
        let mut watched = [
            PollFd::new(child.pidfd(), PollFlags::POLLIN),
            PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(watched[0].any().unwrap_or(false)),
            Err(errno) => {
                Err(Error::new("cannot wait for the command").call("poll(..)", errno).see("2 poll"))
            }
        }
    }

    fn pass_on(&self, child: &Child) -> Result<()> {
        while let Ok(Some(received)) = self.0.read_signal() {
            // A key on the terminal reached the child too: both are in the foreground group.
            let by_key = received.ssi_code == libc::SI_KERNEL;
            let signal = Signal::try_from(received.ssi_signo as i32).ok().filter(|_| !by_key);
            if let Some(signal) = signal {
                child.kill(signal)?;
            }
        }
        Ok(())
    }
}
