//! The mount table as the kernel tells it: what is mounted where, and with whom it is shared.
//!
//! `/proc/PID/mountinfo` (man 5 proc_pid_mountinfo) has a line a mount. Its fourth field, *root*,
//! says which directory of the file system is shown, and so tells a bind mount from a whole one;
//! its optional fields are the propagation.

use std::path::{Path, PathBuf};

use ground::{Error, Result};
use nix::unistd::Pid;
use procfs::process::{MountInfo, MountOptFields, Process};

/// How mounts below one spread to others (man 7 mount_namespaces).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// To nobody and from nobody.
    Private,
    /// To and from the members of this peer group.
    Shared(u32),
    /// From this peer group, and not back.
    Slave(u32),
    /// From the first group, and on to the second.
    SlaveAndShared(u32, u32),
    /// As private, and it cannot be bound either.
    Unbindable,
}

impl std::fmt::Display for Propagation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Private => write!(f, "private"),
            Self::Shared(group) => write!(f, "shared:{group}"),
            Self::Slave(master) => write!(f, "master:{master}"),
            Self::SlaveAndShared(master, group) => write!(f, "master:{master} shared:{group}"),
            Self::Unbindable => write!(f, "unbindable"),
        }
    }
}

/// A mount, as far as the labs speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The directory of the file system that is shown; not `/` for a bind mount of a part.
    pub root: String,
    /// Where it is shown, seen from the root of the process.
    pub mount_point: PathBuf,
    /// Whether this mount is read-only, whatever the file system is.
    pub read_only: bool,
    /// With whom it is shared.
    pub propagation: Propagation,
    /// The type of the file system.
    pub fstype: String,
}

/// The mounts that the calling process sees.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn own() -> Result<Vec<Entry>> {
    read("self", Process::myself())
}

/// The mounts that process `pid` sees.
///
/// # Errors
/// When there is no such process, or it is not ours to look at.
pub fn of(pid: Pid) -> Result<Vec<Entry>> {
    read(&pid.to_string(), Process::new(pid.as_raw()))
}

/// The topmost mount at exactly `mount_point`: later lines cover earlier ones.
pub fn at<'a>(table: &'a [Entry], mount_point: &Path) -> Option<&'a Entry> {
    table.iter().rev().find(|entry| entry.mount_point == mount_point)
}

fn read(name: &str, process: procfs::ProcResult<Process>) -> Result<Vec<Entry>> {
    let mounts = process.and_then(|process| process.mountinfo()).map_err(|error| {
        Error::new("cannot read the mount table")
            .why(format!("/proc/{name}/mountinfo: {error}"))
            .see("5 proc_pid_mountinfo")
            .fix("look at a process of your own, or ask as root")
    })?;
    Ok(mounts.into_iter().map(entry).collect())
}

fn entry(mount: MountInfo) -> Entry {
    Entry {
        root: mount.root,
        mount_point: mount.mount_point,
        read_only: mount.mount_options.contains_key("ro"),
        propagation: propagation(&mount.opt_fields),
        fstype: mount.fs_type,
    }
}

fn propagation(fields: &[MountOptFields]) -> Propagation {
    let shared = fields.iter().find_map(|field| match field {
        MountOptFields::Shared(group) => Some(*group),
        _ => None,
    });
    let master = fields.iter().find_map(|field| match field {
        MountOptFields::Master(group) => Some(*group),
        _ => None,
    });
    let unbindable = fields.iter().any(|field| matches!(field, MountOptFields::Unbindable));
    match (master, shared) {
        (Some(master), Some(group)) => Propagation::SlaveAndShared(master, group),
        (Some(master), None) => Propagation::Slave(master),
        (None, Some(group)) => Propagation::Shared(group),
        (None, None) if unbindable => Propagation::Unbindable,
        (None, None) => Propagation::Private,
    }
}
