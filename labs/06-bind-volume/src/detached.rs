//! A volume for a container that runs: a copy of a mount, carried inside by its descriptor.
//!
//! mount(2) names its source by a path, and a container that has pivoted has no path to the host's
//! directories left. open_tree(2) separates the two halves: the copy of the mount is made on the
//! host and held by a descriptor ([`rootfs::Tree`]), the descriptor is carried through setns(2) into
//! the container's mount namespace, and move_mount(2) attaches it there. Both since Linux 5.2.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};
use rootfs::{Change, Reach, Tree};

/// A mount tree attached nowhere. It is gone when it is dropped, unless it was attached.
#[derive(Debug)]
pub struct Detached {
    source: CString,
    tree: Tree,
}

impl Detached {
    /// Copies the mount tree at `source`, with all the mounts in it.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN over our own mount namespace; ENOENT without a source; ENOSYS
    /// before Linux 5.2.
    pub fn open(source: &CStr) -> Result<Self> {
        let tree = Tree::copy(source, Reach::All).map_err(|errno| {
            let Explanation { call, man, .. } = Self::explain(source);
            let error = Error::new("cannot take the directory along").call(&call, errno).see(man);
            match errno {
                Errno::ENOENT => error.fix("create the source directory first"),
                Errno::EPERM => error.fix("do it as root, or in a user namespace of your own"),
                Errno::ENOSYS => error.fix("use Linux 5.2 or newer; uname -r shows this one"),
                _ => error,
            }
        })?;
        Ok(Self { source: source.to_owned(), tree })
    }

    /// The call that [`Detached::open`] makes.
    pub fn explain(source: &CStr) -> Explanation {
        Explanation::new(
            format!(
                "open_tree(AT_FDCWD, {source:?}, OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE)"
            ),
            "a copy of the mount, held by a descriptor and attached nowhere",
            "2 open_tree",
        )
    }

    /// The same tree, read-only before anybody can see it.
    ///
    /// # Errors
    /// ENOSYS before Linux 5.12: what is nowhere could not be changed then.
    pub fn read_only(self) -> Result<Self> {
        let read_only = Change::set(libc::MOUNT_ATTR_RDONLY, Reach::All);
        self.tree.change(&read_only).map_err(|errno| {
            let Explanation { call, man, .. } = Self::read_only_explained();
            let error = Error::new("cannot make the volume read-only").call(&call, errno).see(man);
            error.fix("use Linux 5.12 or newer, or add the volume without :ro")
        })?;
        Ok(self)
    }

    /// The call that [`Detached::read_only`] makes.
    pub fn read_only_explained() -> Explanation {
        Explanation::new(
            "mount_setattr(tree, \"\", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set=MOUNT_ATTR_RDONLY})",
            "before it is attached, so that there is no moment in which it could be written",
            "2 mount_setattr",
        )
    }

    /// Where it was copied from.
    pub fn source(&self) -> &CStr {
        &self.source
    }
}

impl AsFd for Detached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }
}

/// Attaches a [`Detached`] tree at a path of the mount namespace that the caller is in by then.
#[derive(Debug)]
pub struct Attach {
    detached: Detached,
    target: CString,
}

impl Attach {
    /// Attaches `detached` at `target`, which exists.
    pub fn new(detached: Detached, target: &CStr) -> Self {
        Self { detached, target: target.to_owned() }
    }

    /// The call, with any name for the descriptor.
    pub fn explained(tree: impl std::fmt::Display, target: &CStr) -> Explanation {
        Explanation::new(
            format!("move_mount({tree}, \"\", AT_FDCWD, {target:?}, MOVE_MOUNT_F_EMPTY_PATH)"),
            "the descriptor came along through setns(2); now the tree gets its place",
            "2 move_mount",
        )
    }
}

impl Step for Attach {
    fn run(&self) -> std::result::Result<(), Errno> {
        let place = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let target = open(self.target.as_c_str(), place, Mode::empty())?;
        self.detached.tree.attach(target)
    }

    fn explain(&self) -> Explanation {
        Self::explained(self.detached.as_fd().as_raw_fd(), &self.target)
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        Some(match errno {
            Errno::ENOENT => "create the target in the container first",
            Errno::ENOTDIR => "attach a directory on a directory and a file on a file",
            Errno::EPERM => "join the user namespace that owns the mount namespace first",
            Errno::EINVAL => "the tree is attached already, or its target is below itself",
            errno => return rootfs::mount_advice(None, errno),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::OwnedFd};

    use super::*;

    #[test]
    fn every_errno_of_the_manual_has_its_advice() {
        let tree = Tree::from(OwnedFd::from(File::open("/dev/null").unwrap()));
        let attach = Attach::new(Detached { source: c"/a".to_owned(), tree }, c"/b");
        use Errno::{EACCES, EBUSY, EINVAL, ELOOP, ENOENT, ENOSPC, ENOTDIR, EPERM};
        for errno in [EACCES, EBUSY, EINVAL, ELOOP, ENOENT, ENOSPC, ENOTDIR, EPERM] {
            assert!(attach.fix(errno).is_some(), "{errno}");
        }
    }
}
