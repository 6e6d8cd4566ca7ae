//! The steps of a volume: the bind itself, and read-only, which is a second call.
//!
//! mount(2) with MS_BIND looks at no other flag but MS_REC: `MS_BIND|MS_RDONLY` gives a writable
//! mount, without an error. The mount has to be changed afterwards: by MS_REMOUNT, which reaches
//! one mount, or by mount_setattr(2) with AT_RECURSIVE, which reaches those below it too.

use std::ffi::{CStr, CString};

use ground::{Errno, Explanation, Step};
use nix::{
    mount::{MsFlags, mount},
    sys::statvfs::{FsFlags, statvfs},
};
use rootfs::{Change, Mount, Reach};

/// `mount(source, target, NULL, MS_BIND|MS_REC, NULL)`: the volume.
///
/// It is recursive, because what the host has mounted inside the directory is part of what the
/// reader expects to see there.
#[derive(Debug)]
pub struct Bind(Mount);

impl Bind {
    /// Shows `source` at `target` too.
    pub fn new(source: &CStr, target: &CStr) -> Self {
        let why = "both paths lead to the same inodes from now on";
        Self(Mount::rbind(source, target).why(why))
    }
}

impl Step for Bind {
    fn run(&self) -> Result<(), Errno> {
        self.0.run()
    }

    fn explain(&self) -> Explanation {
        self.0.explain()
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ENOENT => Some("create the source on the host, and the target in the rootfs"),
            Errno::ENOTDIR => Some("bind a directory on a directory and a file on a file"),
            errno => self.0.fix(errno),
        }
    }
}

/// `mount(NULL, target, NULL, MS_REMOUNT|MS_BIND|MS_RDONLY, NULL)`: read-only the old way, which
/// every kernel knows, and for one mount only.
///
/// A user namespace may not take away what it was given: `nosuid`, `nodev`, `noexec` and the atime
/// flags of the mount are repeated, or the call is refused with EPERM.
#[derive(Debug)]
pub struct RemountReadOnly {
    target: CString,
}

impl RemountReadOnly {
    /// Makes the mount at `target` read-only.
    pub fn new(target: &CStr) -> Self {
        Self { target: target.to_owned() }
    }

    /// The call itself.
    fn at(target: &CStr) -> Result<(), Errno> {
        // ANCHOR: remount_read_only
        let kept = locked_flags(statvfs(target)?.flags());
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept;
        let none = None::<&CStr>;
        mount(none, target, none, flags, none)
        // ANCHOR_END: remount_read_only
    }
}

impl Step for RemountReadOnly {
    fn run(&self) -> Result<(), Errno> {
        Self::at(&self.target)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("mount(NULL, {:?}, NULL, MS_REMOUNT|MS_BIND|MS_RDONLY, NULL)", self.target),
            "the first bind ignored MS_RDONLY; mounts below this one stay writable",
            "2 mount",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EACCES => Some("the directory cannot be searched by this user"),
            errno => Mount::remount(c"", MsFlags::MS_BIND).fix(errno),
        }
    }
}

// ANCHOR: locked_flags
/// The flags that a remount has to repeat.
fn locked_flags(flags: FsFlags) -> MsFlags {
    [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ]
    .into_iter()
    .filter(|(has, _)| flags.contains(*has))
    .fold(MsFlags::empty(), |kept, (_, flag)| kept | flag)
}
// ANCHOR_END: locked_flags

/// `mount_setattr(AT_FDCWD, target, AT_RECURSIVE, {MOUNT_ATTR_RDONLY})`: read-only with everything
/// below, since Linux 5.12. An older kernel gets the remount.
#[derive(Debug)]
pub struct SetReadOnly {
    target: CString,
    old: RemountReadOnly,
}

impl SetReadOnly {
    /// Makes the mount at `target`, and those below it, read-only.
    pub fn new(target: &CStr) -> Self {
        Self { target: target.to_owned(), old: RemountReadOnly::new(target) }
    }

    /// The call itself, or the remount where it does not exist.
    fn at(target: &CStr) -> Result<(), Errno> {
        match Change::set(libc::MOUNT_ATTR_RDONLY, Reach::All).make_at(target) {
            Err(Errno::ENOSYS) => RemountReadOnly::at(target),
            other => other,
        }
    }
}

impl Step for SetReadOnly {
    fn run(&self) -> Result<(), Errno> {
        Self::at(&self.target)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!(
                "mount_setattr(AT_FDCWD, {:?}, AT_RECURSIVE, {{attr_set=MOUNT_ATTR_RDONLY}})",
                self.target
            ),
            "the bind ignored MS_RDONLY; this call reaches the mounts below as well",
            "2 mount_setattr",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        self.old.fix(errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remount_repeats_what_is_locked() {
        let flags = FsFlags::ST_NOSUID | FsFlags::ST_RELATIME | FsFlags::ST_RDONLY;
        assert_eq!(locked_flags(flags), MsFlags::MS_NOSUID | MsFlags::MS_RELATIME);
    }
}
