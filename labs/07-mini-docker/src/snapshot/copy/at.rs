//! A place that a file is made at: a name in an open directory, through which nothing is followed.

use std::{
    ffi::OsString,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
};

use ground::Errno;
use nix::{
    fcntl::AtFlags,
    sys::stat::{FileStat, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::fresh::Fresh;

/// A name in an open directory.
pub(super) struct At {
    pub(super) parent: Rc<OwnedFd>,
    pub(super) name: OsString,
    /// The whole path, for words and for what is kept.
    pub(super) path: PathBuf,
}

impl At {
    pub(super) fn stat(&self) -> Result<Option<FileStat>, Errno> {
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        match fstatat(self.parent.as_fd(), self.name.as_os_str(), flags) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// A file that gets this name when it is written.
    pub(super) fn fresh(&self) -> Result<Fresh<'_>, Errno> {
        Fresh::create(self.parent.as_fd())
    }

    pub(super) fn unlink(&self) -> Result<(), Errno> {
        let name = self.name.as_os_str();
        unlinkat(self.parent.as_fd(), name, UnlinkatFlags::NoRemoveDir)
    }
}
