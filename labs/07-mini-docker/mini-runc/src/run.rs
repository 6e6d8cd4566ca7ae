//! Run: create and start in one; in the foreground also wait, and delete at the end.

use std::os::fd::{AsFd, BorrowedFd};

use ground::{Errno, Error, Result};
use namespaces::{Child, Exit};
use nix::sys::{
    signal::{SigSet, SigmaskHow, Signal, sigprocmask},
    signalfd::{SfdFlags, SignalFd},
};

use crate::{
    Warn,
    console::{self, Session},
    create::{self, Console, Created, Options},
    delete,
    record::Root,
    start,
};

/// Creates and starts a container, and leaves it.
///
/// # Errors
/// As create and start. Nothing is left then.
pub(crate) fn detached(root: &Root, id: &str, options: Options, warn: Warn<'_>) -> Result<()> {
    let Created { container, mut child, .. } = create::create(root, id, options, warn)?;
    start::start(&container).map_err(|failure| {
        // The error that is reported is the first one.
        let _ = child.kill(Signal::SIGKILL);
        let _ = child.wait();
        let _ = delete::destroy(&container, warn);
        failure.into()
    })
}

/// Creates and starts a container, hands signals on to it, waits for its end, and deletes it unless
/// it is to be kept.
///
/// # Errors
/// As create and start. Nothing is left then.
pub(crate) fn foreground(
    root: &Root,
    id: &str,
    mut options: Options,
    keep: bool,
    warn: Warn<'_>,
) -> Result<Exit> {
    // From before the clone on: a signal that comes early is for the container as well.
    let signals = Signals::block()?;
    let own = match options.console {
        Console::None => {
            let (theirs, ours) = console::pair()?;
            options.console = Console::Own(theirs);
            Some(ours)
        }
        _ => None,
    };
    let Created { container, mut child, terminal } = create::create(root, id, options, warn)?;
    let ended = start::start(&container).map_err(Error::from).and_then(|()| {
        match own.filter(|_| terminal) {
            Some(socket) => Session::accept(socket)?.until_end(&signals, &mut child),
            None => signals.forward_until_end(&mut child),
        }
    });
    if ended.is_err() {
        // Reaped by us: delete only sees a zombie, which still counts as a member of its group.
        child.kill(Signal::SIGKILL)?;
        child.wait()?;
        delete::destroy(&container, warn)?;
    } else if !keep {
        delete::delete(root, id, true, warn)?;
    }
    ended
}

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
