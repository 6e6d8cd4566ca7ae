//! Birth: what a new file gets without being asked, so that it need not be asked for.
//!
//! Most files of an image belong to root and may be read by everybody, which is how the kernel makes
//! them for us anyway. To know that saves two system calls of six a file. What could make a file be
//! born otherwise is found out and not guessed: the umask and a default access control list by making
//! a file and looking at it; a directory that hands down its group (man 7 inode, S_ISGID; man 5 acl)
//! by its own mode.

use std::os::fd::BorrowedFd;

use ground::Errno;
use nix::{
    fcntl::{OFlag, openat},
    sys::stat::{FileStat, Mode, fstat},
    unistd::{UnlinkatFlags, unlinkat},
};

/// Permissions that a file may have without a mode that must be set: no special bits.
const ORDINARY: u32 = 0o777;

/// How files are born in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth(Option<Born>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Born {
    uid: u32,
    gid: u32,
    /// The permissions that are left when all are asked for.
    permissions: u32,
}

impl Birth {
    /// Makes a file in the empty directory `dir`, looks at it and removes it.
    ///
    /// # Errors
    /// As open(2).
    pub fn observe(dir: BorrowedFd<'_>) -> Result<Self, Errno> {
        const NAME: &str = "born";
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = openat(dir, NAME, flags, Mode::from_bits_truncate(ORDINARY))?;
        let born = fstat(&file);
        unlinkat(dir, NAME, UnlinkatFlags::NoRemoveDir)?;
        let born = born?;
        let permissions = born.st_mode & ORDINARY;
        Ok(Self(Some(Born { uid: born.st_uid, gid: born.st_gid, permissions })))
    }

    /// Nothing can be said: everything has to be set.
    pub fn unknown() -> Self {
        Self(None)
    }

    /// Whether files are born the same way in a directory below.
    pub fn is_same_in(&self, dir: &FileStat) -> bool {
        let hands_down = dir.st_mode & libc::S_ISGID != 0;
        self.0.is_some_and(|born| !hands_down && dir.st_gid == born.gid)
    }

    /// Whether a new file belongs to these by itself.
    pub fn owns(&self, uid: u32, gid: u32) -> bool {
        self.0.is_some_and(|born| (born.uid, born.gid) == (uid, gid))
    }

    /// Whether a file that is made with this mode has it.
    pub fn permits(&self, mode: u32) -> bool {
        self.0.is_some_and(|born| mode & !born.permissions == 0)
    }
}
