//! A file of /proc, and nothing that somebody has put over it.
//!
//! What is written there binds the container: labels, limits, sysctls. If /proc or a file in it is
//! covered, a write goes elsewhere and nobody notices (CVE-2025-52881). So the directory must be
//! the root of a procfs, and from there no mount and no magic link may be crossed.
//!
//! See proc(5), openat2(2), statfs(2).

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::{
        stat::{Mode, fstat},
        statfs::{PROC_SUPER_MAGIC, fstatfs},
    },
};
use rootfs::{FileSystem, c_path};

/// The inode of a procfs's root, and of nothing else in it (linux/proc_ns.h).
const ROOT_INODE: u64 = 1;

/// A file below /proc.
#[derive(Debug)]
pub(super) struct ProcFile {
    path: CString,
    private: FileSystem,
}

impl ProcFile {
    /// The file at `/proc/..`.
    ///
    /// # Errors
    /// A path that is elsewhere.
    pub(super) fn new(path: &str) -> Result<Self> {
        let Some(below) = path.strip_prefix("/proc/") else {
            return Err(Error::new(format!("{path:?} is no file of /proc")).see("5 proc"));
        };
        Ok(Self { path: c_path(below)?, private: FileSystem::new(c"proc") })
    }

    /// Opens it for writing. Async-signal-safe.
    ///
    /// # Errors
    /// As openat2(2); EXDEV when it is covered, and no procfs of our own can be mounted.
    pub(super) fn open(&self) -> std::result::Result<OwnedFd, Errno> {
        let place = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened =
            open(c"/proc", place, Mode::empty()).and_then(|proc| self.open_in(proc.as_fd()));
        match opened {
            // Covered here, as in a container. One that is attached nowhere nobody can cover.
            Err(Errno::EXDEV | Errno::ELOOP) => match self.private.mount() {
                Ok(proc) => self.open_in(proc.as_fd()),
                Err(_) => opened,
            },
            opened => opened,
        }
    }

    fn open_in(&self, proc: BorrowedFd<'_>) -> std::result::Result<OwnedFd, Errno> {
        let procfs = fstatfs(proc)?.filesystem_type() == PROC_SUPER_MAGIC;
        if !procfs || fstat(proc)?.st_ino != ROOT_INODE {
            return Err(Errno::EXDEV);
        }
        let how =
            OpenHow::new().flags(OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(
                ResolveFlag::RESOLVE_BENEATH
                    | ResolveFlag::RESOLVE_NO_XDEV
                    | ResolveFlag::RESOLVE_NO_MAGICLINKS,
            );
        openat2(proc, self.path.as_c_str(), how)
    }

    /// Its path below /proc.
    pub(super) fn below(&self) -> &CStr {
        &self.path
    }
}
