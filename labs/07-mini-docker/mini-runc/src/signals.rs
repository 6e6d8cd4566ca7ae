//! Signals: those that a command in the foreground gets are for its container.

use std::os::fd::{AsFd, BorrowedFd};

use ground::{Errno, Error, Result};
use namespaces::{Child, Exit};
use nix::sys::{
    signal::{SigSet, SigmaskHow, Signal, sigprocmask},
    signalfd::{SfdFlags, SignalFd},
};

/// All signals that can be handed on, blocked and readable.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks them; the steps before exec unblock them again for the program.
    ///
    /// # Errors
    /// As signalfd(2).
    pub(crate) fn block() -> Result<Self> {
        let cannot = |call: &str, errno| Error::new("cannot hand signals on").call(call, errno);
        let mut all = SigSet::all();
        // These are about us, or come from our own mistakes.
        for ours in [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGILL,
            Signal::SIGFPE,
            Signal::SIGTTOU,
            Signal::SIGTTIN,
            Signal::SIGTSTP,
        ] {
            all.remove(ours);
        }
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&all), None)
            .map_err(|errno| cannot("sigprocmask(SIG_BLOCK, ..)", errno))?;
        let fd = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC)
            .map_err(|errno| cannot("signalfd(-1, .., SFD_CLOEXEC)", errno))?;
        Ok(Self { fd })
    }

    /// For poll(2).
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Hands every signal on until the child has ended.
    ///
    /// # Errors
    /// As read(2) and waitid(2).
    pub(crate) fn forward_until_end(&self, child: &mut Child) -> Result<Exit> {
        while !self.forward_one(child, || {})? {}
        child.wait()
    }

    /// Waits for one signal and hands it on; true when it told that the child has ended. `resized`
    /// is called when our terminal has another size.
    ///
    /// # Errors
    /// As read(2).
    pub(crate) fn forward_one(&self, child: &Child, resized: impl FnOnce()) -> Result<bool> {
        let info = match self.fd.read_signal() {
            Ok(Some(info)) => info,
            Ok(None) | Err(Errno::EINTR) => return Ok(false),
            Err(errno) => {
                return Err(Error::new("cannot hand signals on").call("read(signalfd)", errno));
            }
        };
        match Signal::try_from(info.ssi_signo as i32) {
            Ok(Signal::SIGCHLD) => return Ok(ended(child)),
            Ok(Signal::SIGWINCH) => resized(),
            Ok(signal) => child.kill(signal)?,
            Err(_) => {}
        }
        Ok(false)
    }
}

/// Whether the child has ended; a SIGCHLD also says that it was stopped, or that a hook ended.
fn ended(child: &Child) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut process = [PollFd::new(child.pidfd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut process, PollTimeout::ZERO) {
            // Nobody asks again: the signal that told of its end has been read.
            Err(Errno::EINTR) => {}
            answer => return answer.is_ok_and(|ready| ready > 0),
        }
    }
}
