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

use super::{Engine, Error, Result, is_watched, links, pause::is_frozen};
use crate::{
    bundle::{self, ExecOptions},
    container::{Identity, Record, Status, fresh_id},
    layout::Layout,
    runtime::Runtime,
};

/// A program that is ready to be run in a container.
#[derive(Debug)]
pub struct Exec {
    record: Record,
    layout: Layout,
    id: String,
    words: String,
    runtime: Runtime,
    log: tempfile::NamedTempFile,
    // The description of the process lives as long as the descriptor is open here or there.
    process: std::os::fd::OwnedFd,
}

impl Engine {
    /// Joins a container's user and mount namespace, for good, and prepares the program. The
    /// process must have a single thread.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it does not run; an unknown user.
    pub fn exec(&self, record: &Record, wanted: &ExecOptions) -> Result<Exec> {
        Exec::prepare(&self.layout, record, wanted)
    }
}

impl Exec {
    pub(super) fn prepare(layout: &Layout, record: &Record, wanted: &ExecOptions) -> Result<Self> {
        check(record)?;
        let Some(monitor) = &record.state.monitor else { return Err(not_running(record)) };
        let env = links::environment(layout, record)?;
        join(monitor.pid, &[Namespace::User, Namespace::Mount])?;
        let container = layout.container(&record.id);
        let process = bundle::exec_process(record, &container.merged(), wanted, &env)?;
        let json = serde_json::to_vec(&process)
            .map_err(|error| Report::new("cannot describe the program").why(error.to_string()))?;
        let process = anonymous_file(&json)?;
        let log = tempfile::NamedTempFile::new().map_err(|error| {
            Report::new("cannot run a program in the container").io("open a log", &error)
        })?;
        let runtime = Runtime::new(record.options.runtime.as_deref(), container.runtime())?;
        let (record, layout) = (record.clone(), layout.clone());
        let words = wanted.args.join(" ");
        let exec = Self { record, layout, id: fresh_id()?, words, runtime, log, process };
        exec.tell("exec_create");
        Ok(exec)
    }

    /// The runtime's command line, with further flags; the caller adds streams.
    pub fn command(&self, how: &[OsString]) -> Command {
        self.tell("exec_start");
        let path = PathBuf::from(format!("/proc/self/fd/{}", self.process.as_raw_fd()));
        self.runtime.exec(&path, self.log.path(), how, &self.record.id)
    }

    /// Its own ID, which events carry.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the runtime said about a failure of its own, with Docker's exit code; `None` when the
    /// status is the program's.
    pub fn failure(&self) -> Option<Report> {
        let said = std::fs::metadata(self.log.path()).is_ok_and(|log| log.len() > 0);
        said.then(|| match self.record.state.pid.is_some_and(Identity::runs) {
            true => self.runtime.said(self.log.path(), &[]),
            // It ended after we looked, and the runtime knows it no more.
            false => not_running(&self.record).into(),
        })
    }

    /// Whether the runtime itself has told a failure to whoever reads our standard error.
    pub fn failure_is_told(&self) -> bool {
        self.runtime.prints_errors()
    }

    /// Writes down that the program has ended.
    pub fn ended(&self, code: i32) {
        died(&self.layout, &self.record, &self.id, code);
    }

    fn tell(&self, action: &str) {
        let event = self.record.event(&format!("{action}: {}", self.words));
        event.with("execID", &self.id).record(&self.layout.events());
    }
}

/// Writes down that a further program of a container has ended.
pub(super) fn died(layout: &Layout, record: &Record, id: &str, code: i32) {
    let event = record.event("exec_die").with("execID", id);
    event.with("exitCode", code.to_string()).record(&layout.events());
}

fn check(record: &Record) -> Result<()> {
    let refuse = |what: &str, fix: &str| {
        let what = format!("Container {} is {what}", record.name);
        Err(Error::conflict(Report::new(what).fix(format!("mini-docker {fix} {}", record.name))))
    };
    if record.state.status == Status::Restarting {
        return refuse("restarting, wait until the container is running", "logs");
    }
    if !is_watched(record) || record.state.pid.is_none() {
        return Err(not_running(record));
    }
    if is_frozen(record) {
        return refuse("paused, unpause the container before exec", "unpause");
    }
    Ok(())
}

fn not_running(record: &Record) -> Error {
    Error::conflict(
        Report::new(format!("container {} is not running", record.id))
            .why("a program needs namespaces to join, and those end with the container")
            .fix(format!("start it first: mini-docker start {}", record.name)),
    )
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
