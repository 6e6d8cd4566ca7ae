//! A mount that is nowhere yet: made, changed, and only then shown.
//!
//! mount(2) makes a mount and attaches it in one call. What that call cannot say (a bind ignores
//! every flag but MS_REC) has to be said by a second one, when everybody already sees the mount,
//! and the second call names its target by a path that may by then lead elsewhere (CVE-2021-30465).
//! Since Linux 5.2 the two halves are two calls, and a descriptor holds what is between them:
//!
//! ```text
//! fsopen ─> fsconfig .. ─> fsmount ─┐
//!                                   ├─> a tree, nowhere ─> mount_setattr .. ─> move_mount
//! open_tree(OPEN_TREE_CLONE) ───────┘      gone on close     seen by nobody      attached
//! ```
//!
//! The descriptor stays good after move_mount(2): it is the mount itself, whatever happens to the
//! path that it was attached to. See fsopen(2), open_tree(2), mount_setattr(2), move_mount(2).

use std::{
    cell::OnceCell,
    ffi::CStr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use ground::{Errno, Explanation, Step};
use nix::{
    fcntl::AT_FDCWD,
    mount::{MsFlags, mount},
    sys::stat::fstat,
};

use crate::{
    FdPath,
    attributes::{attribute_names, attributes_of, flags_of},
    mount::flag_names,
    sys,
};

type Done = Result<(), Errno>;

/// How far a call reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One mount.
    One,
    /// It and all those below it (AT_RECURSIVE).
    All,
}

/// A mount tree held by a descriptor. One that is attached nowhere is gone when it is dropped.
#[derive(Debug)]
pub struct Tree(pub(crate) OwnedFd);

impl Tree {
    /// Copies the mount that `path` is on, from there down.
    ///
    /// # Errors
    /// As open_tree(2): EINVAL for a mount of another namespace, or one whose lower mounts a user
    /// namespace may not uncover; EPERM without CAP_SYS_ADMIN.
    pub fn copy(path: &CStr, reach: Reach) -> Result<Self, Errno> {
        let here = AT_FDCWD.as_raw_fd();
        sys::open_tree_clone(here, path, reach == Reach::All).map(Self)
    }

    /// Copies the mount at an open file, from there down.
    ///
    /// # Errors
    /// As [`Tree::copy`].
    pub fn copy_of(file: impl AsFd, reach: Reach) -> Result<Self, Errno> {
        sys::open_tree_clone(file.as_fd().as_raw_fd(), c"", reach == Reach::All).map(Self)
    }

    /// Changes its attributes, or how it spreads.
    ///
    /// # Errors
    /// As mount_setattr(2): EPERM for what a user namespace may not take away, EINVAL for what
    /// does not go together; ENOSYS before Linux 5.12.
    pub fn change(&self, change: &Change) -> Done {
        self.set(change.reach, &change.as_mount_attr())
    }

    /// Shows the ids of its files as this user namespace maps them.
    ///
    /// # Errors
    /// As mount_setattr(2), MOUNT_ATTR_IDMAP: EINVAL for a file system that cannot be mapped, EPERM
    /// for one of a user namespace that is not ours, or for a tree that was attached already.
    pub fn map_ids(&self, user_namespace: BorrowedFd<'_>, reach: Reach) -> Done {
        let mut change = Change::default().as_mount_attr();
        change.attr_set = libc::MOUNT_ATTR_IDMAP;
        change.userns_fd = user_namespace.as_raw_fd() as u64;
        self.set(reach, &change)
    }

    fn set(&self, reach: Reach, change: &libc::mount_attr) -> Done {
        sys::mount_setattr(self.0.as_raw_fd(), c"", reach == Reach::All, change)
    }

    /// Attaches it on an open file: from now on paths that get there go on here.
    ///
    /// # Errors
    /// As move_mount(2): ENOTDIR for a directory on a file or the other way round; EINVAL when it
    /// is attached already.
    pub fn attach(&self, target: impl AsFd) -> Done {
        match sys::move_mount(self.as_fd(), target.as_fd()) {
            // The kernel's word for it is EINVAL, as for much else; mount(2) says ENOTDIR.
            Err(Errno::EINVAL) if is_directory(self)? != is_directory(&target)? => {
                Err(Errno::ENOTDIR)
            }
            attached => attached,
        }
    }

    /// Changes it when it is attached, by mount(2) where the kernel is older than 5.12.
    ///
    /// # Errors
    /// As [`Tree::change`] and [`Tree::change_by_remount`].
    pub fn change_attached(&self, change: &Change) -> Done {
        match self.change(change) {
            Err(Errno::ENOSYS) => self.change_by_remount(change),
            changed => changed,
        }
    }

    /// What [`Tree::change`] does, by mount(2), for kernels before 5.12. The tree must be attached:
    /// mount(2) changes nothing that is nowhere.
    ///
    /// # Errors
    /// As mount(2); ENOSYS for attributes of a whole tree, which mount(2) cannot change.
    pub fn change_by_remount(&self, change: &Change) -> Done {
        let path = FdPath::of(&self.0);
        let set =
            |flags| mount(None::<&CStr>, path.as_c_str(), None::<&CStr>, flags, None::<&CStr>);
        if !change.propagation.is_empty() {
            let whole = if change.reach == Reach::All { MsFlags::MS_REC } else { MsFlags::empty() };
            set(change.propagation | whole)?;
        }
        if change.set == 0 && change.clear == 0 {
            return Ok(());
        }
        if change.reach == Reach::All {
            return Err(Errno::ENOSYS);
        }
        let now = attributes_of(&self.0)?;
        let wanted = (now & !change.clear) | change.set;
        set(MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags_of(wanted))
    }
}

/// The mount that an open file is the root of.
impl From<OwnedFd> for Tree {
    fn from(root: OwnedFd) -> Self {
        Self(root)
    }
}

/// Whether it is a directory that is open.
fn is_directory(file: &impl AsFd) -> Result<bool, Errno> {
    Ok(fstat(file)?.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One change of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// MOUNT_ATTR_* to set.
    pub set: u64,
    /// MOUNT_ATTR_* to clear; MOUNT_ATTR__ATIME with one of the access time settings in `set`.
    pub clear: u64,
    /// MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE; empty to leave it.
    pub propagation: MsFlags,
    /// How far it reaches.
    pub reach: Reach,
}

impl Default for Change {
    fn default() -> Self {
        Self { set: 0, clear: 0, propagation: MsFlags::empty(), reach: Reach::One }
    }
}

impl Change {
    /// Sets attributes and takes none away.
    pub fn set(attributes: u64, reach: Reach) -> Self {
        Self { set: attributes, reach, ..Self::default() }
    }

    /// How mounts made later spread.
    pub fn propagation(kind: MsFlags, reach: Reach) -> Self {
        Self { propagation: kind, reach, ..Self::default() }
    }

    /// Makes it to the mount at a path.
    ///
    /// # Errors
    /// As [`Tree::change`], and those of finding the path.
    pub fn make_at(&self, path: &CStr) -> Done {
        let here = AT_FDCWD.as_raw_fd();
        sys::mount_setattr(here, path, self.reach == Reach::All, &self.as_mount_attr())
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set == 0 && self.clear == 0 && self.propagation.is_empty()
    }

    fn as_mount_attr(&self) -> libc::mount_attr {
        libc::mount_attr {
            attr_set: self.set,
            attr_clr: self.clear,
            propagation: self.propagation.bits(),
            userns_fd: 0,
        }
    }
}

/// `mount_setattr(AT_RECURSIVE, +MOUNT_ATTR_RDONLY -MOUNT_ATTR_NOEXEC MS_PRIVATE)`
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = Vec::new();
        if self.reach == Reach::All {
            words.push("AT_RECURSIVE".to_owned());
        }
        if self.set != 0 {
            words.push(format!("attr_set={}", attribute_names(self.set)));
        }
        if self.clear != 0 {
            words.push(format!("attr_clr={}", attribute_names(self.clear)));
        }
        if !self.propagation.is_empty() {
            words.push(format!("propagation={}", flag_names(self.propagation)));
        }
        write!(f, "mount_setattr({})", words.join(", "))
    }
}

/// A mount that one step attaches and later ones change, all through the same descriptor.
#[derive(Debug, Clone, Default)]
pub struct Held(Rc<OnceCell<Tree>>);

impl Held {
    /// Keeps the tree, if a later step has asked for it.
    pub fn keep(&self, tree: Tree) {
        if Rc::strong_count(&self.0) > 1 {
            // A step runs once, so nothing was kept before.
            let _ = self.0.set(tree);
        }
    }

    /// A step that makes this change to what is kept by then; `name` is its place in words.
    pub fn later(&self, name: String, change: Change, why: &'static str) -> ChangeLater {
        ChangeLater { held: self.clone(), name, change, why }
    }
}

/// Changes a mount that an earlier step has attached.
#[derive(Debug)]
pub struct ChangeLater {
    held: Held,
    name: String,
    change: Change,
    why: &'static str,
}

impl Step for ChangeLater {
    fn run(&self) -> Done {
        self.held.0.get().map_or(Err(Errno::EBADF), |tree| tree.change_attached(&self.change))
    }

    fn explain(&self) -> Explanation {
        let call = self.change.to_string().replacen('(', &format!("({:?}, ", self.name), 1);
        Explanation::new(call, self.why, "2 mount_setattr")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        crate::advice::change(errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_as_the_call_it_makes() {
        let change = Change {
            set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOATIME,
            clear: libc::MOUNT_ATTR__ATIME,
            propagation: MsFlags::MS_SLAVE,
            reach: Reach::All,
        };
        assert_eq!(
            change.to_string(),
            "mount_setattr(AT_RECURSIVE, attr_set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOATIME, \
             attr_clr=MOUNT_ATTR__ATIME, propagation=MS_SLAVE)"
        );
    }
}
