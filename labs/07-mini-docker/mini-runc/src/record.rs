//! The record: what is known of a container between two commands, in its state directory.
//!
//! ```text
//! /run/mini-runc/ID/             made by create, first of all: whose mkdir(2) wins has the name
//!     config.json                config.json as it was when the container was created
//!     state.json                 this record; written beside and renamed, so never half
//!     process -> PID:BEGAN       its first process: a link that leads nowhere, made in one piece
//!     exec.fifo                  there as long as the container waits for start
//!     report.fifo                how the start went
//! ```
//!
//! Status is never stored: it is what the kernel says of the process now. A PID alone could be
//! somebody else's by now, so the record also holds when the process began.
//!
//! The record is written before there is a process, so that whoever cleans up knows of the group, and
//! the process comes later. It has a name of its own because a file that replaces another is written
//! to the disk at once (auto_da_alloc, man 5 ext4), and who deletes it has to wait until it is there.
//!
//! Source: runtime specification, runtime.md, "State"; runc's state.json.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use cgroups::Group;
use ground::{Error, Result};
use nix::unistd::Pid;
use oci::runtime::{Hooks, State, Status};
use serde::{Deserialize, Serialize};

use crate::{
    bundle,
    bundle::Bundle,
    caller,
    cgroup::{self, Scope},
    plan,
};

const STATE: &str = "state.json";
const PROCESS: &str = "process";

/// The containers of one `--root`.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// The directory with a directory for each container.
    pub(crate) dir: PathBuf,
}

/// A container's state.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The version of the specification that its config.json follows.
    pub(crate) oci_version: String,
    /// Its name.
    pub(crate) id: String,
    /// Its first process; absent until there is one.
    #[serde(skip)]
    pub(crate) process: Option<FirstProcess>,
    /// The bundle, absolute.
    pub(crate) bundle: PathBuf,
    /// The group below the places where groups are made; absent where it has none.
    pub(crate) cgroup: Option<PathBuf>,
    /// The trees in which that group is, so that start and delete need not look for them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trees: Vec<String>,
    /// The unit that the group is, where systemd made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<Scope>,
    /// The directories of resctrl that go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) resctrl: Vec<PathBuf>,
    /// When it was created, in seconds since 1970.
    pub(crate) created_s: u64,
    /// Whose it is.
    pub(crate) owner_uid: u32,
    /// The annotations of config.json.
    #[serde(default)]
    pub(crate) annotations: std::collections::BTreeMap<String, String>,
    /// The hooks that are still to come, so that start and delete need not read config.json again.
    #[serde(default)]
    pub(crate) hooks: Hooks,
}

/// A container's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstProcess {
    pid: i32,
    /// When it began, in clock ticks since boot (man 5 proc_pid_stat, field 22).
    began: u64,
}

/// A container that has a directory.
#[derive(Debug)]
pub(crate) struct Container {
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// Its record.
    pub(crate) record: Record,
}

impl Root {
    /// Takes a name: makes the container's directory.
    ///
    /// # Errors
    /// A name that is none, or one that is taken.
    pub(crate) fn claim(&self, id: &str) -> Result<PathBuf> {
        check_id(id)?;
        let cannot = |error: &io::Error| {
            Error::new("cannot make the state directory")
                .io(format_args!("mkdir {}", self.dir.join(id).display()), error)
                .fix("name a directory of your own: --root DIR")
        };
        fs::create_dir_all(&self.dir).map_err(|error| cannot(&error))?;
        let dir = self.dir.join(id);
        match fs::create_dir(&dir) {
            Ok(()) => Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::new("container with given ID already exists")
                    .why(format!("{} is there", dir.display()))
                    .fix(format!("choose another ID, or remove it: mini-runc delete --force {id}")))
            }
            Err(error) => Err(cannot(&error)),
        }
    }

    /// The directory of a container, whatever is in it; `None` when there is none.
    ///
    /// # Errors
    /// A name that is none, or a directory that cannot be looked at.
    pub(crate) fn dir_of(&self, id: &str) -> Result<Option<PathBuf>> {
        check_id(id)?;
        let dir = self.dir.join(id);
        let there = dir.try_exists().map_err(|error| {
            Error::new("cannot look for the container")
                .io(format_args!("stat {}", dir.display()), &error)
        })?;
        Ok(there.then_some(dir))
    }

    /// A container by its name.
    ///
    /// # Errors
    /// There is none, or its record cannot be read.
    pub(crate) fn container(&self, id: &str) -> Result<Container> {
        match self.dir_of(id)? {
            Some(dir) => Container::open(dir),
            None => Err(self.absent(id)),
        }
    }

    /// The report for a container that is not there.
    pub(crate) fn absent(&self, id: &str) -> Error {
        Error::new("container does not exist")
            .why(format!("there is no {}", self.dir.join(id).display()))
            .fix("mini-runc list shows those that do; another --root has others")
    }

    /// All containers with a record, by name. One that is half made or half gone is left out.
    pub(crate) fn containers(&self) -> Vec<Container> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries.filter_map(|it| Container::open(it.path()).ok()).collect();
        all.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        all
    }
}

/// A name is a file name, in runc's alphabet.
fn check_id(id: &str) -> Result<()> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "_+-.".contains(it);
    if !id.is_empty() && id.chars().all(allowed) && id != "." && id != ".." && id.len() <= 255 {
        return Ok(());
    }
    Err(Error::new("invalid container ID format")
        .why(format!("{id:?} is used as the name of a directory"))
        .fix("letters, digits and _ + - . are allowed"))
}

impl Record {
    /// The record of a container that is about to be made.
    pub(crate) fn new(id: &str, bundle: &Bundle, group: Option<&Group>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            oci_version: bundle.spec.oci_version.clone(),
            id: id.to_owned(),
            process: None,
            bundle: bundle.dir.clone(),
            cgroup: group.map(|it| it.name.clone()),
            trees: group.map(Group::written).unwrap_or_default(),
            scope: None,
            resctrl: Vec::new(),
            created_s: now.map_or(0, |now| now.as_secs()),
            owner_uid: nix::unistd::getuid().as_raw(),
            annotations: bundle.spec.annotations.clone(),
            hooks: bundle.spec.hooks.as_ref().map(to_come).unwrap_or_default(),
        }
    }

    /// Writes it to its directory, without the process; atomic.
    ///
    /// # Errors
    /// As open(2), write(2), rename(2).
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let cannot = |error: &io::Error| {
            Error::new("cannot write the container's state")
                .io(format_args!("write {}", dir.join(STATE).display()), error)
        };
        let text = serde_json::to_vec(self).map_err(|error| cannot(&error.into()))?;
        let beside = dir.join(".state.json");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, dir.join(STATE)))
            .map_err(|error| cannot(&error))
    }

    /// The state as the specification has it, with this status.
    pub(crate) fn state(&self, status: Status) -> State {
        State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status,
            pid: match status {
                Status::Stopped => Some(0),
                _ => self.process.map(|it| it.pid),
            },
            bundle: self.bundle.to_string_lossy().into_owned(),
            annotations: self.annotations.clone(),
        }
    }
}

impl FirstProcess {
    /// A process of ours. One that has ended already began never: its number may be another's by the
    /// time this is read.
    ///
    /// # Errors
    /// As read(2) of /proc/PID/stat.
    pub(crate) fn of(pid: Pid) -> Result<Self> {
        let began = process_stat(pid)?.map_or(0, |(_, began)| began);
        Ok(Self { pid: pid.as_raw(), began })
    }

    /// Its PID.
    pub(crate) fn pid(self) -> Pid {
        Pid::from_raw(self.pid)
    }

    /// Adds it to the record in this directory, or puts it in the place of another; atomic.
    ///
    /// # Errors
    /// As symlink(2), rename(2).
    pub(crate) fn write(self, dir: &Path) -> Result<()> {
        let Self { pid, began } = self;
        let beside = dir.join(".process");
        symlink(format!("{pid}:{began}"), &beside)
            .and_then(|()| fs::rename(&beside, dir.join(PROCESS)))
            .map_err(|error| {
                Error::new("cannot write the container's state")
                    .io(format_args!("symlink {}", dir.join(PROCESS).display()), &error)
            })
    }

    /// The one in this directory, if there is one yet.
    fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(PROCESS);
        let target = match fs::read_link(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            target => target.map_err(|error| cannot_read(&path, &error))?,
        };
        let read = target.to_str().and_then(Self::parse);
        read.map(Some).ok_or_else(|| half(dir, format!("{} names no process", path.display())))
    }

    fn parse(text: &str) -> Option<Self> {
        let (pid, began) = text.split_once(':')?;
        Some(Self { pid: pid.parse().ok()?, began: began.parse().ok()? })
    }
}

/// Reads the record of a state directory.
///
/// # Errors
/// There is none (its maker was killed), or it cannot be read.
pub(crate) fn read(dir: &Path) -> Result<Record> {
    find(dir)?.ok_or_else(|| half(dir, format!("there is no {}", dir.join(STATE).display())))
}

/// The same; `None` where its maker was killed before there was one.
///
/// # Errors
/// As open(2) and read(2); or it is not JSON, and then no record of ours.
pub(crate) fn find(dir: &Path) -> Result<Option<Record>> {
    let path = dir.join(STATE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| cannot_read(&path, &error))?,
    };
    let record: Record = serde_json::from_slice(&text)
        .map_err(|error| half(dir, format!("{}: {error}", path.display())))?;
    Ok(Some(Record { process: FirstProcess::read(dir)?, ..record }))
}

fn cannot_read(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot read the container's state")
        .io(format_args!("read {}", path.display()), error)
}

fn half(dir: &Path, why: String) -> Error {
    let id = dir.file_name().unwrap_or_default().to_string_lossy();
    Error::new("container is not complete")
        .why(why)
        .fix(format!("whoever made it was killed; remove it: mini-runc delete --force {id}"))
}

impl Container {
    fn open(dir: PathBuf) -> Result<Self> {
        let record = read(&dir)?;
        Ok(Self { dir, record })
    }

    /// Its config.json, as it was when it was created.
    ///
    /// # Errors
    /// The copy is gone, or the root file system is.
    pub(crate) fn bundle(&self) -> Result<Bundle> {
        let path = self.dir.join(bundle::CONFIG);
        let text = fs::read(&path).map_err(|error| {
            Error::new("cannot read the container's configuration")
                .io(format_args!("read {}", path.display()), &error)
        })?;
        Bundle::parse(self.record.bundle.clone(), text)
    }

    /// Its first process, while that lives. A zombie does not.
    pub(crate) fn process(&self) -> Option<Pid> {
        self.look_for_process().ok().flatten()
    }

    /// The same for whoever must not take a process that cannot be looked at for a dead one.
    ///
    /// # Errors
    /// As read(2) of /proc/PID/stat.
    pub(crate) fn look_for_process(&self) -> Result<Option<Pid>> {
        let Some(process) = self.record.process else { return Ok(None) };
        let Some((state, began)) = process_stat(process.pid())? else { return Ok(None) };
        Ok((process.began == began && !matches!(state, 'Z' | 'X')).then_some(process.pid()))
    }

    /// What the kernel says of it now.
    pub(crate) fn status(&self) -> Status {
        let Some(_) = self.process() else {
            return if self.record.process.is_none() { Status::Creating } else { Status::Stopped };
        };
        // First of all: who waits for its start can be frozen too, and would wait for ever.
        if self.group().ok().flatten().and_then(|group| group.freeze_state())
            == Some(cgroups::FreezeState::Frozen)
        {
            return Status::Paused;
        }
        match self.dir.join(plan::EXEC_FIFO).exists() {
            true => Status::Created,
            false => Status::Running,
        }
    }

    /// Its group, where it has one.
    ///
    /// # Errors
    /// As [`cgroup::open`].
    pub(crate) fn group(&self) -> Result<Option<Group>> {
        let Record { cgroup, trees, scope, .. } = &self.record;
        let Some(name) = cgroup else { return Ok(None) };
        match Group::reopen(name, trees) {
            None => cgroup::open(name, scope.as_ref()),
            there => Ok(there),
        }
    }

    /// The state as the specification has it.
    pub(crate) fn state(&self) -> State {
        self.record.state(self.status())
    }

    /// The report for an operation that this status does not allow, in runc's words.
    pub(crate) fn refuse(&self, what: impl Into<String>, status: Status) -> Error {
        let (id, status) = (&self.record.id, word(status));
        Error::new(what)
            .why(format!("container {id} is {status}"))
            .fix(format!("mini-runc state {id} tells how it is"))
    }
}

/// Those after the container is created.
fn to_come(hooks: &Hooks) -> Hooks {
    let Hooks { poststart, poststop, .. } = hooks.clone();
    Hooks { poststart, poststop, ..Hooks::default() }
}

/// The specification's word for a status.
pub(crate) fn word(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Created => "created",
        Status::Running => "running",
        Status::Stopped => "stopped",
        Status::Paused => "paused",
    }
}

/// State letter and start time of a process (man 5 proc_pid_stat); `None` when there is none.
fn process_stat(pid: Pid) -> Result<Option<(char, u64)>> {
    let path = format!("/proc/{pid}/stat");
    let text = match caller::text_of(&path) {
        Ok(text) => text,
        // ESRCH: it went between open and read.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Error::new("cannot see the container's process")
                .io(format_args!("read {path}"), &error)
                .see("5 proc_pid_stat"));
        }
    };
    Ok(parse_stat(&text))
}

fn parse_stat(text: &str) -> Option<(char, u64)> {
    // The name in parentheses may itself hold spaces and parentheses.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_name() {
        for id in ["box", "a.b-c_d+e", "0"] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a b", "ä", "../x"] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_process_is_a_number_and_a_time() {
        let process = FirstProcess { pid: 42, began: 7 };
        assert_eq!(FirstProcess::parse("42:7"), Some(process));
        for text in ["", "42", "42:", ":7", "42:7:1", "a:7"] {
            assert_eq!(FirstProcess::parse(text), None, "{text}");
        }
    }

    #[test]
    fn our_own_process_lives_and_has_a_start_time() {
        let (state, start_time) = process_stat(Pid::this()).unwrap().unwrap();
        assert!("RS".contains(state) && start_time > 0);
        assert_eq!(process_stat(Pid::from_raw(i32::MAX)).unwrap(), None);
    }
}
