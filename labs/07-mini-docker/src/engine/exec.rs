//! exec: one more program in the namespaces of a container.
//!
//! An ordinary user's container lives in the user namespace of its monitor. Nobody else has power
//! there but its owner, from outside; so this verb first joins the monitor's namespaces (lab 05),
//! and everything after happens as if the container had been made by this process.

use std::{
    ffi::{CString, OsString},
    io::Write,
    os::fd::AsRawFd,
    path::PathBuf,
    process::Command,
};

use ground::{Error as Report, Step};
use namespaces::{Kind as Namespace, Kinds};
use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::Pid,
};
use setns::{JoinProcess, Target};

use super::{Engine, Error, Result, is_watched};
use crate::{
    bundle::{self, ExecOptions},
    container::Record,
    runtime::Runtime,
};

/// A program that is ready to be run in a container.
#[derive(Debug)]
pub struct Exec {
    /// The runtime's command line; the caller adds streams.
    pub command: Command,
    runtime: Runtime,
    log: tempfile::NamedTempFile,
    // The description of the process lives as long as the descriptor is open here or there.
    _process: std::os::fd::OwnedFd,
}

impl Exec {
    /// What the runtime said about a failure of its own, with Docker's exit code; `None` when the
    /// status is the program's.
    pub fn failure(&self) -> Option<Report> {
        let said = std::fs::metadata(self.log.path()).is_ok_and(|log| log.len() > 0);
        said.then(|| self.runtime.said(self.log.path(), &[]))
    }

    /// Whether the runtime itself has told a failure to whoever reads our standard error.
    pub fn failure_is_told(&self) -> bool {
        self.runtime.prints_errors()
    }
}

impl Engine {
    /// Joins a container's user and mount namespace, for good, and prepares the program. The
    /// process must have a single thread.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it does not run; an unknown user.
    pub fn exec(&self, record: &Record, wanted: &ExecOptions, detach: bool) -> Result<Exec> {
        let monitor = record.state.monitor.as_ref().filter(|_| is_watched(record));
        let Some(monitor) = monitor.filter(|_| record.state.pid.is_some()) else {
            return Err(Error::conflict(
                Report::new(format!("container {} is not running", record.id))
                    .why("a program needs namespaces to join, and those end with the container")
                    .fix(format!("start it first: mini-docker start {}", record.name)),
            ));
        };
        join(monitor.pid, &[Namespace::User, Namespace::Mount])?;
        let layout = self.container_layout(record);
        let process = bundle::exec_process(record, &layout.merged(), wanted)?;
        let json = serde_json::to_vec(&process)
            .map_err(|error| Report::new("cannot describe the program").why(error.to_string()))?;
        let process = anonymous_file(&json)?;
        let log = tempfile::NamedTempFile::new().map_err(|error| {
            Report::new("cannot run a program in the container").io("open a log", &error)
        })?;
        let runtime = Runtime::new(record.options.runtime.as_deref(), layout.runtime())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", process.as_raw_fd()));
        let how: Vec<OsString> = detach.then(|| "--detach".into()).into_iter().collect();
        let command = runtime.exec(&path, log.path(), &how, &record.id);
        Ok(Exec { command, runtime, log, _process: process })
    }
}

/// Moves this process into those of these namespaces of `pid` that are not its own.
///
/// # Errors
/// The kernel's, in lab 05's words.
pub fn join(pid: i32, kinds: &[Namespace]) -> Result<(), Report> {
    let target = Target::open(Pid::from_raw(pid))?;
    let kinds = target.elsewhere(Kinds::of(kinds.iter().copied()))?;
    if kinds.is_empty() {
        return Ok(());
    }
    let step = JoinProcess::new(&target, kinds);
    step.run().map_err(|errno| step.failed(errno))
}

/// A file without a name that the runtime inherits: nobody has to remove it, whoever is killed.
fn anonymous_file(bytes: &[u8]) -> Result<std::os::fd::OwnedFd, Report> {
    let cannot = |why: String| Report::new("cannot describe the program").why(why);
    let name: &CString = &c"process.json".into();
    let fd = memfd_create(name.as_c_str(), MFdFlags::empty())
        .map_err(|errno| cannot(format!("memfd_create: {errno}")))?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes).map_err(|error| cannot(error.to_string()))?;
    Ok(file.into())
}
