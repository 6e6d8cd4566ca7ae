//! Membership: who is in a group, and the three ways in.
//!
//! Moved from outside by writing its id to `cgroup.procs` ([`Group::add`]); entering by writing 0
//! itself ([`Join`]), before it becomes the command; or born inside, on v2, with clone3(2)'s
//! `CLONE_INTO_CGROUP` ([`Group::dir_fd`]). A child is born where its parent is.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode as FileMode,
    unistd::{Pid, write},
};

use crate::{
    Controller, Group, Hierarchies, Mode, Version, advice,
    group::{Part, children, put, write_once},
};

impl Group {
    /// The group that process `pid` is in. On v1 it may be a different one in each tree.
    ///
    /// # Errors
    /// ENOENT: no such process.
    pub fn of_process(pid: Pid) -> Result<Self> {
        let path = format!("/proc/{pid}/cgroup");
        let membership = fs::read_to_string(&path).map_err(|error| {
            Error::new(format!("cannot see the cgroup of process {pid}"))
                .io(format_args!("read {path}"), &error)
                .see("7 cgroups")
                .fix("take the id of a running process: ps -e")
        })?;
        let group = Self::of_membership(&membership)?;
        Ok(Self { name: PathBuf::from(format!("of process {pid}")), ..group })
    }

    /// The group that a process was in when its /proc/PID/cgroup read `membership`. A process that
    /// has ended is in no group any more; its group is still there.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn of_membership(membership: &str) -> Result<Self> {
        let seen = Hierarchies::of_membership(membership)?;
        let v2_alone = seen.mode() == Mode::V2;
        let trees = seen.mounted.into_iter().filter(|it| v2_alone || !it.controllers.is_empty());
        let parts: Vec<Part> = trees
            .filter_map(|tree| {
                let (version, controllers) = (tree.version, tree.controllers);
                Some(Part { version, controllers, dir: tree.own?, base: tree.mount_point })
            })
            .collect();
        Ok(Self { name: PathBuf::from("of a process"), parts })
    }

    // ANCHOR: add
    /// Moves process `pid`, with all its threads, into the group.
    ///
    /// # Errors
    /// ESRCH: it has ended; EACCES: on v2 an ordinary user can only move within the delegated
    /// tree; ENOSPC: a v1 cpuset without CPUs; EBUSY: a v2 group that hands controllers down.
    pub fn add(&self, pid: Pid) -> Result<()> {
        let what = format!("cannot move process {pid} into the group {}", self.name.display());
        for part in &self.parts {
            put(&what, &part.dir.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(())
    }
    // ANCHOR_END: add

    /// The steps by which a child enters the group itself, before it becomes the command: so that
    /// not one of its own children is born outside.
    ///
    /// # Errors
    /// EACCES, ENOENT: as [`Group::add`].
    pub fn join(&self) -> Result<Vec<Join>> {
        self.parts.iter().map(Join::new).collect()
    }

    /// The calls of [`Group::join`]'s steps, for a plan: the group need not be there.
    pub fn explain_join(&self) -> impl Iterator<Item = Explanation> {
        self.parts.iter().map(|it| explain(&Join::path(it)))
    }

    /// The directory to be born into with clone3(2)'s `CLONE_INTO_CGROUP`; `None` where the group
    /// has v1 directories, which the flag does not take (EBADF): use [`Group::join`] there.
    ///
    /// # Errors
    /// ENOENT: the group is gone.
    pub fn dir_fd(&self) -> Result<Option<OwnedFd>> {
        let [Part { version: Version::V2, dir, .. }] = self.parts.as_slice() else {
            return Ok(None);
        };
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let call = format!("open(\"{}\", O_DIRECTORY)", dir.display());
        let opened = open(dir, flags, FileMode::empty());
        opened.map(Some).map_err(|it| advice::failed("cannot open the group", &call, dir, it))
    }

    /// The processes in the group and below it, sorted; those of other PID namespaces are left
    /// out, having no id here.
    pub fn procs(&self) -> Vec<Pid> {
        once_each(self.parts.iter().flat_map(|it| procs_below(&it.dir)).collect())
    }

    /// As [`Group::procs`], in the tree of one controller: the trees of v1 need not agree.
    pub fn procs_of(&self, controller: Controller) -> Vec<Pid> {
        once_each(self.dir_of(controller).map(procs_below).unwrap_or_default())
    }
}

fn once_each(mut pids: Vec<Pid>) -> Vec<Pid> {
    pids.retain(|it| it.as_raw() > 0);
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Moves every process of `from` (not of the groups below it) to `to`; one that ended meanwhile
/// has left by itself.
pub(crate) fn move_all(from: &Path, to: &Path) -> Result<()> {
    procs_in(from).into_iter().try_for_each(|pid| write_pid(to, pid))
}

/// Moves one process to the group at `to`; one that ended meanwhile has left by itself.
pub(crate) fn write_pid(to: &Path, pid: Pid) -> Result<()> {
    let file = to.join("cgroup.procs");
    match write_once(&file, &pid.to_string()) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => {
            let what = format!("cannot move process {pid}");
            Err(advice::refused(&what, &file, &pid.to_string(), errno))
        }
    }
}

/// The processes of the group at `dir`; 0 stands for one of another PID namespace.
pub(crate) fn procs_in(dir: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|it| it.parse().ok()).map(Pid::from_raw).collect()
}

pub(crate) fn procs_below(dir: &Path) -> Vec<Pid> {
    let mut pids = procs_in(dir);
    pids.extend(children(dir).iter().flat_map(|it| procs_below(it)));
    pids
}

/// The step by which a process of one thread enters a group in one tree: it writes its own id, as
/// 0, to the open file. The right to do so was checked when the file was opened.
///
/// On v1 that file is `tasks`. A whole process is moved under a lock that keeps every process of the
/// machine from forking, and to take it the kernel waits for a grace period of RCU, some
/// milliseconds; a thread that moves itself needs no lock (cgroup_procs_write_start in
/// kernel/cgroup/cgroup.c, since Linux 5.5).
#[derive(Debug)]
pub struct Join {
    file: OwnedFd,
    path: PathBuf,
}

impl Join {
    fn new(part: &Part) -> Result<Self> {
        let path = Self::path(part);
        let call = format!("open(\"{}\", O_WRONLY)", path.display());
        let opened = open(&path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, FileMode::empty());
        let file =
            opened.map_err(|it| advice::failed("cannot join the group", &call, &path, it))?;
        Ok(Self { file, path })
    }

    fn path(part: &Part) -> PathBuf {
        part.dir.join(match part.version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        })
    }
}

impl Step for Join {
    fn run(&self) -> Result<(), Errno> {
        write(self.file.as_fd(), b"0").map(drop)
    }

    fn explain(&self) -> Explanation {
        explain(&self.path)
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        advice::advice("cgroup.procs", errno)
    }
}

fn explain(path: &Path) -> Explanation {
    let call = format!("write(\"{}\", \"0\")", path.display());
    let why = "0 is the writer itself: no child of the process is born outside the group";
    Explanation::new(call, why, "7 cgroups")
}
