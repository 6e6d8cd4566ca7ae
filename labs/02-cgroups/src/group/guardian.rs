//! The guardian: a process beside the group that outlives its maker, because SIGKILL runs no code.
//!
//! Whoever makes a group removes it; but a maker that is killed removes nothing, and a group stays.
//! So before the first mkdir it starts a second process, outside the group and in a session of its
//! own, which does nothing but wait for the maker's end. A container engine's monitor (conmon,
//! containerd's shim, lab 07's monitor) does this among other things.
//!
//! ```text
//!   maker                                        guardian
//!   pidfd_open(getpid())
//!   clone3, setsid, dup2(pidfd, 0), execve ────> poll(0): a pidfd can be read when its process ended
//!   mkdir, limits, the command in the group          :
//!     ends well: rmdir, then kill(guardian) ───>     x        silent, reaped
//!     or dies of a signal ─────────────────────> kills what is in the group, rmdir, ends
//! ```
//!
//! It is this program again, started by exec under another name, so that it holds no memory, lock
//! or descriptor of the maker: a `main` that makes [`Temporary::guarded`](super::Temporary) groups
//! begins with [`door`]. If the guardian is killed as well, [`sweep`](super::sweep) is left.

use std::{
    ffi::OsString,
    fs::File,
    io::stdin,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::ExitCode,
};

use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::{
    Child, Exec, Kinds, Spawn,
    steps::{Redirect, Stream},
};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigSet, Signal},
    },
    unistd::{chdir, setsid},
};

use super::Group;
use crate::{Site, sys};

/// What the guardian is called, in its argv[0] and in ps(1).
const NAME: &std::ffi::CStr = c"lab-guardian";

/// A group that resists for so long is left to the next sweep.
const TRIES: u32 = 5;

/// The guardian of one group, seen from the maker. Dropping it ends its watch: the group is gone.
#[derive(Debug)]
pub(super) struct Guardian(Child);

impl Guardian {
    /// Starts to watch over the group `name`, which need not exist yet, until the process behind
    /// the pidfd `ended` has.
    ///
    /// # Errors
    /// This process has threads, or no more processes can be made.
    pub(super) fn of(name: &str, ended: OwnedFd) -> Result<Self> {
        spawn(name, ended)?.start().map(Self).map_err(|error| Error {
            what: "cannot start the guardian of a control group".to_owned(),
            ..error
        })
    }

    /// The calls that start it, for a plan.
    pub(super) fn explain() -> Vec<Explanation> {
        let clone = "a guardian: if we are killed it ends what is in the group and removes it";
        vec![
            Explanation::new("clone3({flags=0, exit_signal=SIGCHLD})", clone, "2 clone3"),
            NewSession.explain(),
            Explanation::new(
                "poll(pidfd of its maker)",
                "all it ever does: the descriptor can be read when that process has ended",
                "2 pidfd_open",
            ),
        ]
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // It is our child: its number stays its own until we have waited for it.
        let _ = self.0.kill(Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

fn spawn(name: &str, ended: OwnedFd) -> Result<Spawn<'static>> {
    let argv: [OsString; 2] = [NAME.to_string_lossy().into_owned().into(), name.into()];
    let envp: Vec<OsString> = std::env::vars_os()
        .map(|(name, value)| [name, "=".into(), value].into_iter().collect())
        .collect();
    let null = |_| -> Result<OwnedFd> {
        let null = File::options().read(true).write(true).open("/dev/null").map_err(|error| {
            Error::new("cannot start the guardian of a control group").io("open /dev/null", &error)
        })?;
        Ok(null.into())
    };
    let mut spawn = Spawn::new(Kinds::NONE)
        .step(NewSession)
        .step(Redirect::new(ended, Stream::Stdin))
        // Whoever reads what we print would wait for the guardian as well.
        .step(Redirect::new(null(())?, Stream::Stdout))
        .step(Redirect::new(null(())?, Stream::Stderr))
        .step(Exec::of("/proc/self/exe", &argv, &envp)?);
    spawn.dies_with_parent = false;
    Ok(spawn)
}

/// A session of its own: what is sent to the maker's process group, SIGKILL or a key on the
/// terminal, does not reach it.
#[derive(Debug)]
struct NewSession;

impl Step for NewSession {
    fn run(&self) -> Result<(), Errno> {
        setsid().map(drop)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "setsid()",
            "no key on the terminal and no kill of our process group reaches it",
            "2 setsid",
        )
    }
}

/// The first line of a `main` that makes guarded groups: when this process was started as a
/// guardian, it watches, and ends with this status. `arguments` are those of the process, its name
/// included.
pub fn door(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let called = arguments.next()?;
    if called != *NAME.to_string_lossy() {
        return None;
    }
    watch(Path::new(&arguments.next()?));
    Some(ExitCode::SUCCESS)
}

/// Waits for the end of the maker, and takes its group away.
fn watch(name: &Path) {
    let _ = prctl::set_name(NAME);
    // Whatever the maker itself was given by mistake: a pipe would seem to have a writer left.
    sys::close_from(3);
    // Nothing keeps it from its one task, and it keeps nobody from unmounting.
    let _ = SigSet::all().thread_block();
    let _ = chdir("/");
    let stdin = stdin();
    let mut maker = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    while poll(&mut maker, PollTimeout::NONE) == Err(Errno::EINTR) {}
    for _ in 0..TRIES {
        if Site::find().and_then(|site| end(&site, name)).is_ok() {
            break;
        }
    }
}

/// Ends the group, however far its maker got: perhaps only to making room for it.
fn end(site: &Site, name: &Path) -> Result<()> {
    if let Some(group) = Group::open(site, name)? {
        return group.remove();
    }
    super::hand_back(site);
    Ok(())
}
