//! Joining control groups: a limit that the second process escapes is no limit.
//!
//! setns(2) with CLONE_NEWCGROUP changes only where the tree *seems* to begin. To be counted, the
//! process has to be written into `cgroup.procs`, in every hierarchy (cgroups(7)), and that before
//! the namespaces are joined: inside, the files may be out of reach.

use std::{fs::OpenOptions, os::fd::OwnedFd, path::Path};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::unistd::write;

/// Moves the caller into control groups, one a hierarchy.
#[derive(Debug)]
pub struct JoinCgroups {
    groups: Vec<(String, OwnedFd)>,
}

impl JoinCgroups {
    /// Opens `cgroup.procs` of these directories; pure v2 has one, v1 one for each hierarchy.
    ///
    /// # Errors
    /// EACCES when the group is not ours, ENOENT when it is gone.
    pub fn at<P: AsRef<Path>>(directories: &[P]) -> Result<Self> {
        let groups = directories.iter().map(|directory| procs_of(directory.as_ref()));
        Ok(Self { groups: groups.collect::<Result<_>>()? })
    }
}

fn procs_of(directory: &Path) -> Result<(String, OwnedFd)> {
    let path = directory.join("cgroup.procs");
    match OpenOptions::new().write(true).open(&path) {
        Ok(file) => Ok((path.display().to_string(), file.into())),
        Err(error) => Err(Error::new("cannot join the control group")
            .io(format_args!("open {}", path.display()), &error)
            .see("7 cgroups")
            .fix("do it as root, or as the user the group was delegated to; or go without")),
    }
}

impl Step for JoinCgroups {
    fn run(&self) -> std::result::Result<(), Errno> {
        // 0 is whoever writes, so the step need not know its own PID.
        self.groups.iter().try_for_each(|(_, procs)| write(procs, b"0").map(drop))
    }

    fn explain(&self) -> Explanation {
        let writes = self.groups.iter().map(|(path, _)| format!("write({path:?}, \"0\")"));
        Explanation::new(
            writes.collect::<Vec<_>>().join("; "),
            "limits count those who are in the group; 0 means whoever writes it",
            "7 cgroups",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EACCES | Errno::EPERM => Some(
                "moving needs write access to cgroup.procs of both groups and of their common \
                 ancestor: do it as root",
            ),
            Errno::EBUSY => {
                Some("the group has controllers enabled for its children: join a child")
            }
            Errno::ENOSPC => Some("give the cpuset group cpus and mems first"),
            Errno::ENODEV | Errno::ENOENT => Some("the group was removed meanwhile: start again"),
            Errno::EAGAIN => Some("a real-time process does not fit the group's budget"),
            Errno::EOPNOTSUPP => Some("the group is threaded: read its cgroup.type"),
            _ => None,
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        let Explanation { call, man, .. } = self.explain();
        let error = Error::new("cannot join the control group").call(&call, errno).see(man);
        match self.fix(errno) {
            Some(fix) => error.fix(fix),
            None => error,
        }
    }
}
