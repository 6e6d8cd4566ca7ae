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
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use ground::{Error, Result};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use serde::{Deserialize, Serialize};

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

/// What the small program has to do. Numbers are open descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub struct Watch {
    /// The large program.
    pub program: RawFd,
    /// Its arguments, from its name on, when it comes back.
    pub back: Vec<OsString>,
    /// The process to watch (pidfd_open(2)); none while the next start is waited for.
    pub process: Option<RawFd>,
    /// How long that is.
    pub wait_ms: Option<u64>,
    /// Where the program's input is written.
    pub input: Option<RawFd>,
    /// Where its output is read.
    pub output: Option<RawFd>,
    /// Where its errors are read.
    pub errors: Option<RawFd>,
    /// Whether input and output are the master side of a terminal.
    pub is_terminal: bool,
    /// Whether the input ends with whoever gives it.
    pub input_once: bool,
    /// Where further clients come from.
    pub listener: Option<RawFd>,
    /// Who is there already.
    pub clients: Vec<Held>,
    /// Where output is kept.
    pub log: Option<logs::Target>,
    /// Whether the program is well, asked now and then.
    pub check: Option<Check>,
    /// What the large program wants to remember.
    pub note: String,
}

/// A client, as it is handed over.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Held {
    /// Its socket.
    pub fd: RawFd,
    /// Whether it wants the output.
    pub hears: bool,
    /// Whether it gives input.
    pub speaks: bool,
    /// What it has not taken yet: a file without a name.
    pub rest: Option<RawFd>,
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
#[derive(Debug, Serialize, Deserialize)]
pub struct Watched {
    /// How the program ended; none if there was only a wait.
    pub exit_code: Option<i32>,
    /// Where further clients come from.
    pub listener: Option<RawFd>,
    /// Who is still there.
    pub clients: Vec<Held>,
    /// What the large program wanted to remember.
    pub note: String,
}

impl Watch {
    /// What the small program was told, if this is it.
    pub fn told() -> Option<Self> {
        serde_json::from_str(&std::env::var(TOLD).ok()?).ok()
    }

    /// Becomes the small program. Returns only what kept us from it.
    ///
    /// # Errors
    /// As execve(2).
    pub fn begin(self, small: &Path) -> Error {
        let fds = [self.process, self.input, self.output, self.errors, self.listener];
        let clients = self.clients.iter().map(|client| client.fd);
        let kept = fds.into_iter().flatten().chain(clients).chain([self.program]);
        if let Err(error) = keep(kept) {
            return error;
        }
        let Ok(told) = serde_json::to_string(&self) else { return cannot() };
        let mut command = Command::new(small);
        command.arg0(SMALL).args(self.back.last()).env(TOLD, told).env_remove(LEARNT);
        cannot().io(format_args!("execve {}", small.display()), &command.exec())
    }

    /// Becomes the large program again. Returns only what kept us from it.
    pub fn end(&self, exit_code: Option<i32>, clients: Vec<Held>) -> Error {
        let fds = clients.iter().flat_map(|client| [Some(client.fd), client.rest]).flatten();
        let kept = fds.chain(self.listener);
        if let Err(error) = keep(kept) {
            return error;
        }
        let note = self.note.clone();
        let watched = Watched { exit_code, listener: self.listener, clients, note };
        let Ok(learnt) = serde_json::to_string(&watched) else { return cannot() };
        let mut command = self.large(&self.back);
        command.env(LEARNT, learnt).env_remove(TOLD);
        cannot().io("execve", &command.exec())
    }

    /// The large program, to be executed with these words. By its descriptor: whatever has become
    /// of its file, this is the program that started the container.
    pub fn large(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.program));
        if let Some((name, words)) = words.split_first() {
            command.arg0(name).args(words);
        }
        command.env_remove(TOLD);
        command
    }
}

impl Watched {
    /// What the large program has learnt, if it comes back.
    pub fn learnt() -> Option<Self> {
        serde_json::from_str(&std::env::var(LEARNT).ok()?).ok()
    }
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

/// Takes a descriptor that was handed over. What this program executes shall not have it.
pub(super) fn take(fd: RawFd) -> OwnedFd {
    let fd = crate::sys::own(fd);
    let _ = fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    fd
}

/// Lets descriptors live on over execve(2).
fn keep(fds: impl Iterator<Item = RawFd>) -> Result<()> {
    for fd in fds {
        let fd = crate::sys::borrow(fd);
        fcntl(fd.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| {
            cannot().call(&format!("fcntl({}, F_SETFD)", fd.as_raw_fd()), errno)
        })?;
    }
    Ok(())
}

fn cannot() -> Error {
    Error::new("the monitor cannot change its program").see("2 execve")
}
