//! Signals that mean the child: a program that waits for another should not be in its way.
//!
//! Ctrl-C reaches every process of the foreground group, `kill` only the one it names. Whoever
//! waits for a command must not end on either before it has taken away what it made, and must hand
//! the second kind on. So the signals are blocked and read from a descriptor (man 2 signalfd),
//! which can be waited for together with a pidfd. The mask that this needs would survive
//! execve(2); [`crate::Exec`] empties it.
//!
//! A child that took the terminal may stop (Ctrl-Z) as well as end. No pidfd tells that: SIGCHLD
//! does, so it is held like the others, and not handed on.

use std::os::fd::AsFd;

use ground::{Errno, Error, Result};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal, killpg, raise, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
    },
};

use crate::{Child, Exit, Terminal};

/// The signals that mean the command, not us.
const FORWARDED: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Those of them that a key of the terminal sends, to all of the foreground group.
const OF_KEYS: [Signal; 2] = [Signal::SIGINT, Signal::SIGQUIT];

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
        let set: SigSet = FORWARDED.into_iter().chain([Signal::SIGCHLD]).collect();
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

    /// As [`Signals::wait`], for a child that took the terminal, if there is one. When the child is
    /// stopped (Ctrl-Z) we stop as well, so that the shell that started us gets its turn; when we go
    /// on, so does it.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait_with_terminal(
        &self,
        child: &mut Child,
        terminal: Option<&Terminal>,
    ) -> Result<Exit> {
        let Some(terminal) = terminal else { return self.wait(child) };
        let ended = self.wait_in_background(child, terminal);
        terminal.take_back();
        ended
    }

    fn wait_in_background(&self, child: &mut Child, terminal: &Terminal) -> Result<Exit> {
        while !self.ended(child)? {
            self.pass_on(child)?;
            if child.has_stopped()? {
                terminal.take_back();
                let _ = raise(Signal::SIGSTOP);
                terminal.give_to(child.pid());
                let _ = killpg(child.pid(), Signal::SIGCONT);
            }
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
            let Ok(signal) = Signal::try_from(received.ssi_signo as i32) else { continue };
            // A key on the terminal reached the child too: it is in the foreground group. A terminal
            // that hangs up tells the kernel's SIGHUP to the leader of the session alone, and that
            // may be us (man 7 credentials).
            let by_key = received.ssi_code == libc::SI_KERNEL && OF_KEYS.contains(&signal);
            if FORWARDED.contains(&signal) && !by_key {
                child.kill(signal)?;
            }
        }
        Ok(())
    }
}
