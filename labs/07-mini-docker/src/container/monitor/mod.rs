//! The monitor: one small process that watches over one container, from before its start until
//! after its end.
//!
//! It has a session and a mount namespace of its own, so that neither a closed terminal nor an end
//! of the command that started it means anything to the container, and so that the overlay is
//! mounted nowhere but here and inside. As a subreaper (PR_SET_CHILD_SUBREAPER(2const)) it becomes
//! the parent of the container's first process when the runtime has exited, and so it is the one
//! that learns the exit status.
//!
//! ```text
//!   run/start ── exec ──> monitor ── prepare: overlay, bundle
//!                            ├──── exec ──> runtime create ──> first process, waiting
//!                            ├──── exec ──> runtime start  ──> .. becomes the program
//!             <── Started ───┤
//!                      (becomes the small program: see `handover`)
//!             <── Output ────┼──< stdout, stderr ──> log
//!             ─── Input ─────┼──> stdin
//!      attach ── connect ──> ┤
//!                            ├──── exec ──> probe: is the program well?
//!                            ├──< pidfd readable: waitid(2)
//!                      (becomes the large program again)
//!                            ├──── exec ──> runtime delete
//!                            ├──── record: exited, code, time; or restarting
//!             <── Exited ────┘──── clean up
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `start` | from a record to a program that runs |
//! | `end` | what follows from its end: another start, or none |
//! | `handover`, `wire` | how the process changes its program |
//! | `watch`, `ends`, `clients`, `checks` | the small program |
//! | `console` | how a terminal comes out of a container |

mod checks;
mod clients;
pub mod console;
mod end;
mod ends;
pub mod handover;
mod start;
mod watch;
mod wire;

use std::{os::unix::net::UnixListener, path::PathBuf};

use ground::{Error, Result};
use nix::unistd::Pid;

use super::{Frame, Record};
use crate::{layout::ContainerLayout, runtime::Runtime};

pub use clients::{Client, see_off};
pub use ends::Ends;
pub use handover::{Open, Task, Watch, Watched};
pub use start::{pipe, read_pid};
pub use watch::watch;

/// What a monitor works on.
#[derive(Debug)]
pub struct Monitor {
    /// The root of everything: where it looks for itself again.
    pub root: PathBuf,
    /// The container's directory.
    pub layout: ContainerLayout,
    /// The runtime of its choice.
    pub runtime: Runtime,
    /// Whoever is there: the command that started us, and who came later.
    pub clients: Vec<Client>,
    /// Where others come from.
    pub listener: Option<UnixListener>,
}

/// What the rooms above do before and after: this room knows neither images nor bundles.
pub trait Surroundings {
    /// Mounts the root file system and writes the bundle.
    ///
    /// # Errors
    /// Whatever is missing for it.
    fn prepare(&mut self, record: &Record) -> Result<()>;

    /// The first process is there, in its cgroup, and the program has not begun.
    ///
    /// # Errors
    /// What keeps it from its networks.
    fn created(&mut self, record: &Record, pid: Pid) -> Result<()>;

    /// What has to be known at the end, as text: the process forgets all else until then.
    fn note(&self) -> String;

    /// What was [noted](Surroundings::note).
    fn recall(&mut self, note: &str);

    /// Whether the kernel has killed a process of the container for want of memory. Called while
    /// its cgroup is still there.
    fn oom_killed(&mut self) -> bool;

    /// Takes away what [`Surroundings::prepare`] made, and the whole container if it was to be
    /// removed.
    fn clean_up(&mut self, record: &Record);
}

impl Monitor {
    /// Goes on with one container: starts it, or if the small program has watched over it until now,
    /// looks what follows. The caller is a process of its own with one thread, in a mount namespace
    /// of its own.
    ///
    /// # Errors
    /// When not even the record can be written. Everything else is told to the clients and stands
    /// in the record.
    pub fn run(
        mut self,
        watched: Option<Watched>,
        surroundings: &mut dyn Surroundings,
    ) -> Result<()> {
        match watched {
            None => match self.claim() {
                Ok(record) => self.start(&record, surroundings),
                // Another monitor is there already: nothing of the container is ours.
                Err(error) => {
                    self.see_off(&Frame::Failed(error));
                    Ok(())
                }
            },
            Some(watched) => {
                self.listener = watched.listener;
                self.clients = watched.clients;
                surroundings.recall(&watched.note);
                match watched.exit_code {
                    Some(code) => self.ended(code, surroundings),
                    None => self.again(surroundings),
                }
            }
        }
    }

    /// Tells those who wait for the start. One that is gone does not keep the container from running,
    /// nor does one that takes nothing.
    fn tell(&mut self, frame: &Frame) {
        let frame = frame.encode();
        for client in self.clients.iter_mut().filter(|client| !client.leaves()) {
            client.tell(&frame);
        }
    }

    /// Becomes the small program.
    fn hand_over(watch: Watch) -> Error {
        watch.begin(&handover::small())
    }
}
