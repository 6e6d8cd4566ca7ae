//! All namespaces of the machine: nobody keeps a list, so everybody's links are read.
//!
//! There is no system call that lists namespaces. lsns(8) does what is done here: it walks
//! `/proc/PID/ns`, and groups the processes by the inodes that the links lead to.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use ground::{Errno, Error, Result};
use nix::{
    sys::{
        stat::fstat,
        statfs::{NSFS_MAGIC, statfs},
    },
    unistd::Pid,
};

use crate::{
    Id, Kind,
    sys::{NsRequest, ns_ioctl, ns_type},
};

/// A namespace and the processes in it that we may look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The namespace.
    pub id: Id,
    /// Its processes, by number.
    pub pids: Vec<Pid>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// By kind, then by inode.
    pub namespaces: Vec<Members>,
    /// Processes whose links we were not allowed to read.
    pub hidden: Vec<Pid>,
}

/// Counts the namespaces of all processes that `/proc` shows.
///
/// # Errors
/// When `/proc` cannot be listed. A process that ends meanwhile is left out.
pub fn take() -> Result<Census> {
    let mut members: BTreeMap<Id, Vec<Pid>> = BTreeMap::new();
    let mut hidden = Vec::new();
    for pid in processes()? {
        let ids: Vec<Id> =
            Kind::ALL.into_iter().filter_map(|kind| Id::of(pid, kind).ok()).collect();
        if ids.is_empty() && still_there(pid) {
            hidden.push(pid);
        }
        for id in ids {
            members.entry(id).or_default().push(pid);
        }
    }
    let namespaces = members.into_iter().map(|(id, pids)| Members { id, pids }).collect();
    Ok(Census { namespaces, hidden })
}

/// The numbers under `/proc`, in order.
fn processes() -> Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc").map_err(|error| {
        Error::new("cannot list the processes")
            .io("open /proc", &error)
            .fix("mount a proc file system: mount -t proc proc /proc")
    })?;
    let mut pids: Vec<Pid> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect();
    pids.sort();
    Ok(pids)
}

fn still_there(pid: Pid) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok()
}

/// A namespace held open, to be asked for its relatives (man 2 ioctl_nsfs).
#[derive(Debug)]
pub struct Held {
    kind: Kind,
    file: OwnedFd,
}

impl Held {
    /// Opens the namespace of `kind` that `pid` lives in.
    ///
    /// # Errors
    /// As [`Id::of`].
    pub fn of(pid: Pid, kind: Kind) -> Result<Self> {
        let path = format!("/proc/{pid}/ns/{}", kind.name());
        let file = File::open(&path).map_err(|error| {
            Error::new("cannot open the namespace")
                .io(format_args!("open {path}"), &error)
                .see("7 namespaces")
                .fix("look at a process of your own, or ask as root")
        })?;
        Ok(Self { kind, file: file.into() })
    }

    /// Opens the namespace that `file` stands for: a link below `/proc`, or a file that it is
    /// mounted on. `None` for any other file.
    ///
    /// # Errors
    /// As open(2).
    pub fn at(file: &Path) -> Result<Option<Self>> {
        let cannot = |error| {
            Error::new("cannot open the namespace")
                .io(format_args!("open {}", file.display()), &error)
                .fix("check the path, and the rights on it")
        };
        // Asked first, because to open somebody's FIFO would wait, and a device might do something.
        if !statfs(file).is_ok_and(|there| there.filesystem_type() == NSFS_MAGIC) {
            return Ok(None);
        }
        let opened: OwnedFd = File::open(file).map_err(cannot)?.into();
        let flag = ns_type(opened.as_fd()).map_err(|errno| cannot(errno.into()))?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.flag().bits() == flag);
        Ok(kind.map(|kind| Self { kind, file: opened }))
    }

    /// Which one it is.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn id(&self) -> Result<Id> {
        let file = fstat(&self.file)
            .map_err(|errno| Error::new("cannot see the namespace").call("fstat(ns)", errno))?;
        Ok(Id { kind: self.kind, dev: file.st_dev, ino: file.st_ino })
    }

    /// The namespace around it, of a PID or user namespace; `None` at the top of what we may see.
    ///
    /// # Errors
    /// EINVAL for the kinds that do not nest.
    pub fn parent(&self) -> Result<Option<Self>> {
        self.relative(NsRequest::Parent, "NS_GET_PARENT", self.kind)
    }

    /// The user namespace that owns it: whoever has a capability there has it over this one.
    ///
    /// # Errors
    /// As ioctl_nsfs(2).
    pub fn owner(&self) -> Result<Option<Self>> {
        self.relative(NsRequest::Owner, "NS_GET_USERNS", Kind::User)
    }

    fn relative(&self, request: NsRequest, name: &str, kind: Kind) -> Result<Option<Self>> {
        match ns_ioctl(self.file.as_fd(), request) {
            Ok(file) => Ok(Some(Self { kind, file })),
            // "The requested namespace is outside of the caller's namespace scope."
            Err(Errno::EPERM) => Ok(None),
            Err(errno) => Err(Error::new("cannot see around the namespace")
                .call(&format!("ioctl(ns, {name})"), errno)
                .see("2 ioctl_nsfs")),
        }
    }
}
