//! The supervisor: starts a command in a group, passes signals on, waits for its end.
//!
//! The child enters the group itself before it becomes the command, so that nothing it forks is
//! born outside; and it is killed when the supervisor dies (`PR_SET_PDEATHSIG`).

use std::{
    ffi::OsString,
    os::fd::{AsFd, OwnedFd},
};

use cgroups::Group;
use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::{
    Child, Exec, Exit, Kinds, Spawn,
    steps::{Redirect, Stream},
};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
    },
};

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
    /// From here on a signal waits until [`Signals::wait`] passes it on; taken before the group is
    /// made, so that no Ctrl-C falls between making and removing.
    pub fn hold() -> Result<Self> {
        let failed = |call: &'static str| {
            move |errno| Error::new("cannot hold signals").call(call, errno).see("2 signalfd")
        };
        let set: SigSet = FORWARDED.into_iter().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)
            .map_err(failed("sigprocmask(SIG_BLOCK, ..)"))?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        fd.map(Self).map_err(failed("signalfd(-1, .., SFD_CLOEXEC|SFD_NONBLOCK)"))
    }

    /// Waits for the child's end and hands it every signal that was sent to us.
    pub fn wait(&self, child: &mut Child) -> Result<Exit> {
        loop {
            let ended = {
                let mut watched = [
                    PollFd::new(child.pidfd(), PollFlags::POLLIN),
                    PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
                ];
                match poll(&mut watched, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => {
                        return Err(Error::new("cannot wait for the command")
                            .call("poll(..)", errno)
                            .see("2 poll"));
                    }
                }
                watched[0].any().unwrap_or(false)
            };
            if ended {
                return child.wait();
            }
            self.pass_on(child)?;
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

/// The step that gives a child back the signals that its parent holds: a mask survives exec.
#[derive(Debug)]
struct ReleaseSignals;

impl Step for ReleaseSignals {
    fn run(&self) -> Result<(), Errno> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "sigprocmask(SIG_SETMASK, [])",
            "the supervisor holds signals to pass them on, and the mask survives exec",
            "2 sigprocmask",
        )
    }
}

/// The child that becomes `command` inside `group`; with `stdout`, it writes there.
pub fn spawn(
    group: Option<&Group>,
    command: &[OsString],
    stdout: Option<OwnedFd>,
) -> Result<Spawn<'static>> {
    let mut spawn = Spawn::new(Kinds::NONE);
    for join in group.map(Group::join).transpose()?.into_iter().flatten() {
        spawn = spawn.step(join);
    }
    if let Some(stdout) = stdout {
        spawn = spawn.step(Redirect::new(stdout, Stream::Stdout));
    }
    Ok(spawn.step(ReleaseSignals).step(Exec::with_own_environment(command)?))
}
