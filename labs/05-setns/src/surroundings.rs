//! Root and working directory: joining a mount namespace is not yet standing where its processes do.
//!
//! setns(2) with CLONE_NEWNS puts root and working directory on the root of the joined mount table.
//! After pivot_root(2) that is the container's root. A process that used chroot(2) stands elsewhere
//! in the same table, and only its `/proc/PID/root` knows where.

use std::os::fd::OwnedFd;

use ground::{Errno, Explanation, Result, Step};
use nix::unistd::{chroot, fchdir};

use crate::Target;

/// Takes root and working directory of a process, after its mount namespace was joined.
#[derive(Debug)]
pub struct Surroundings {
    pid: i32,
    root: OwnedFd,
    working_directory: Option<OwnedFd>,
}

impl Surroundings {
    /// Its root and its working directory.
    ///
    /// Opened now, while `/proc` is the one that knows the process by this number.
    ///
    /// # Errors
    /// EACCES when we may not look at the process.
    pub fn of(target: &Target) -> Result<Self> {
        let working_directory = Some(target.directory("cwd")?);
        Ok(Self { working_directory, ..Self::root_of(target)? })
    }

    /// Its root; the working directory becomes `/`.
    ///
    /// # Errors
    /// As [`Surroundings::of`].
    pub fn root_of(target: &Target) -> Result<Self> {
        let root = target.directory("root")?;
        Ok(Self { pid: target.pid().as_raw(), root, working_directory: None })
    }
}

impl Step for Surroundings {
    fn run(&self) -> std::result::Result<(), Errno> {
        // ANCHOR: surroundings
        fchdir(&self.root)?;
        chroot(c".")?;
        self.working_directory.as_ref().map_or(Ok(()), fchdir)
        // ANCHOR_END: surroundings
    }

    fn explain(&self) -> Explanation {
        let Self { pid, working_directory, .. } = self;
        let mut call = format!("fchdir(open(\"/proc/{pid}/root\")); chroot(\".\")");
        if working_directory.is_some() {
            call += &format!("; fchdir(open(\"/proc/{pid}/cwd\"))");
        }
        let why = "a process may have its root elsewhere than its mount table has";
        Explanation::new(call, why, "5 proc_pid_root")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => {
                Some("chroot(2) needs CAP_SYS_CHROOT: join the user namespace too (-U)")
            }
            Errno::EACCES => {
                Some("our ids may not enter the directory: look at ls -ld /proc/PID/root")
            }
            Errno::ENOENT => Some("the directory was removed while the process stood in it"),
            Errno::ENOTDIR => Some("what the process stands in is no directory any more"),
            _ => None,
        }
    }
}
