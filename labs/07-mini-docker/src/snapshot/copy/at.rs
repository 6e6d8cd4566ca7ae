//! A place that a file is made at: a name in an open directory, through which nothing is followed.

use std::{
    ffi::OsString,
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
};

use ground::Errno;
use nix::{
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::stat::{FileStat, Mode, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

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

    /// A name of ours in the same directory: short, since the real one may be as long as names get.
    pub(super) fn beside(&self) -> Self {
        let name = format!(".mini-docker-{}", std::process::id()).into();
        Self { parent: self.parent.clone(), name, path: self.path.clone() }
    }

    pub(super) fn create(&self) -> Result<File, Errno> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let name = self.name.as_os_str();
        openat(self.parent.as_fd(), name, flags | OFlag::O_CLOEXEC, mode).map(File::from)
    }

    pub(super) fn rename(&self, to: &Self) -> Result<(), Errno> {
        let (from, name) = (self.name.as_os_str(), to.name.as_os_str());
        renameat(self.parent.as_fd(), from, to.parent.as_fd(), name)
    }

    pub(super) fn unlink(&self) -> Result<(), Errno> {
        let name = self.name.as_os_str();
        unlinkat(self.parent.as_fd(), name, UnlinkatFlags::NoRemoveDir)
    }
}
