//! The handover: the monitor changes its program, and stays the same process.
//!
//! Most of a container's life nothing happens, and its monitor only holds things: the mount
//! namespace, the ends of the program's streams, the right to learn its exit status. For that it
//! executes a small program of ours, linked statically, and for the start and the end the large one
//! again. The process, its children, its namespaces and its open descriptors stay what they are
//! over execve(2); what else has to be known is told in one environment variable.
//!
//! ```text
//!   mini-docker monitor          mini-docker-monitor          mini-docker monitor
//!   claim, prepare, start  ──>   pump, serve clients    ──>   delete, record, clean up
//!                                 (0.2 MiB, for hours)              │
//!                                wait for the next start  <── again? ┘
//! ```

use std::{
    ffi::OsString,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixListener, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::Command,
};

use ground::{Error, Result};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::{clients::Client, wire};
use crate::{container::logs, runtime::OURSELVES};

/// The name of the small program; it lies beside the large one.
pub const SMALL: &str = "mini-docker-monitor";

/// The verb of our command line that is the large program.
pub const MONITOR: &str = "monitor";

/// The verb that asks whether the program is well.
pub const PROBE: &str = "probe";

/// What the small program is told.
const TOLD: &str = "MINI_DOCKER_WATCH";

/// What the large program is told when it comes back.
const LEARNT: &str = "MINI_DOCKER_WATCHED";

/// What the small program has to do, and what it holds meanwhile.
#[derive(Debug)]
pub struct Watch {
    /// The large program.
    pub program: OwnedFd,
    /// What is to be done.
    pub task: Task,
    /// What is open.
    pub open: Open,
}

/// What the small program has to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// The arguments of the large program, from its name on, when it comes back.
    pub back: Vec<OsString>,
    /// How long the next start is waited for; none while the program runs.
    pub wait_ms: Option<u64>,
    /// Whether input and output are the master side of a terminal.
    pub is_terminal: bool,
    /// Whether the input ends with whoever gives it.
    pub input_once: bool,
    /// Where output is kept.
    pub log: Option<logs::Target>,
    /// Whether the program is well, asked now and then.
    pub check: Option<Check>,
    /// What the large program wants to remember.
    pub note: String,
}

/// What the small program holds.
#[derive(Debug, Default)]
pub struct Open {
    /// The process to watch (pidfd_open(2)); none while the next start is waited for.
    pub process: Option<OwnedFd>,
    /// Where the program's input is written.
    pub input: Option<OwnedFd>,
    /// Where its output is read.
    pub output: Option<OwnedFd>,
    /// Where its errors are read.
    pub errors: Option<OwnedFd>,
    /// Where further clients come from.
    pub listener: Option<UnixListener>,
    /// Who is there already.
    pub clients: Vec<Client>,
}

/// A check that is executed now and then, by the large program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// Its arguments, from its name on.
    pub words: Vec<OsString>,
    /// From one check to the next.
    pub every_ms: u64,
    /// The same as long as a check says so, by [`STARTING`].
    pub first_ms: u64,
}

/// The exit status of a check that found the program to be starting still.
pub const STARTING: u8 = 3;

/// What the large program learns.
#[derive(Debug)]
pub struct Watched {
    /// How the program ended; none if there was only a wait.
    pub exit_code: Option<i32>,
    /// Where further clients come from.
    pub listener: Option<UnixListener>,
    /// Who is still there.
    pub clients: Vec<Client>,
    /// What the large program wanted to remember.
    pub note: String,
}

impl Watch {
    /// What the small program was told, if this is it. Once: what is open has an owner then.
    pub fn told() -> Option<Self> {
        let told: wire::Watch = serde_json::from_str(&std::env::var(TOLD).ok()?).ok()?;
        told.take()
    }

    /// Becomes the small program. Returns only what kept us from it.
    ///
    /// # Errors
    /// As execve(2).
    pub fn begin(self, small: &Path) -> Error {
        let last_word = self.task.back.last().cloned();
        let told = match wire::Watch::leave(self) {
            Ok(told) => told,
            Err(errno) => return cannot().call("fcntl(F_SETFD)", errno),
        };
        let Ok(told) = serde_json::to_string(&told) else { return cannot() };
        let mut command = Command::new(small);
        command.arg0(SMALL).args(last_word).env(TOLD, told).env_remove(LEARNT);
        cannot().io(format_args!("execve {}", small.display()), &command.exec())
    }
}

impl Watched {
    /// What the large program has learnt, if it comes back. Once, as [`Watch::told`].
    pub fn learnt() -> Option<Self> {
        let learnt: wire::Watched = serde_json::from_str(&std::env::var(LEARNT).ok()?).ok()?;
        learnt.take()
    }

    /// Becomes the large program again, with the words `back`. Returns only what kept us from it.
    pub(super) fn end(self, program: &OwnedFd, back: &[OsString]) -> Error {
        let learnt = match wire::Watched::leave(self) {
            Ok(learnt) => learnt,
            Err(errno) => return cannot().call("fcntl(F_SETFD)", errno),
        };
        let Ok(learnt) = serde_json::to_string(&learnt) else { return cannot() };
        let mut command = large(program, back);
        command.env(LEARNT, learnt).env_remove(TOLD);
        cannot().io("execve", &command.exec())
    }
}

/// The large program, to be executed with these words. By its descriptor: whatever has become of its
/// file, this is the program that started the container.
pub(super) fn large(program: &OwnedFd, words: &[OsString]) -> Command {
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    if let Some((name, words)) = words.split_first() {
        command.arg0(name).args(words);
    }
    command.env_remove(TOLD);
    command
}

/// Where the small program is. Where it was not installed the large one does its work, and takes
/// more memory for it.
pub fn small() -> PathBuf {
    let beside = std::fs::read_link(OURSELVES).ok().map(|path| path.with_file_name(SMALL));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| OURSELVES.into())
}

/// The large program, to come back to.
///
/// # Errors
/// As open(2).
pub fn ourselves() -> Result<OwnedFd> {
    nix::fcntl::open(OURSELVES, OFlag::O_PATH | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())
        .map_err(|errno| cannot().call("open(\"/proc/self/exe\", O_PATH)", errno))
}

/// The words with which the large program comes back.
pub fn words(root: &Path, rest: &[&str]) -> Vec<OsString> {
    let words: [OsString; 3] = ["mini-docker".into(), "--root".into(), root.into()];
    words.into_iter().chain(rest.iter().map(OsString::from)).collect()
}

fn cannot() -> Error {
    Error::new("the monitor cannot change its program").see("2 execve")
}
