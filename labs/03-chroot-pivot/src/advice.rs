//! What an errno of mount(2), umount2(2), pivot_root(2) or chroot(2) means, and what mends it.
//!
//! The kernel has some thirty answers and three dozen reasons; which one is meant follows from the
//! call. The sources are the ERRORS sections of the manual pages and fs/namespace.c.

use std::ffi::CStr;

use ground::Errno;
use nix::mount::MsFlags;

const NEEDS_ADMIN: &str = "mounting needs CAP_SYS_ADMIN in the user namespace that owns the mount \
                           namespace: run it as root, or in a user namespace of your own (unshare \
                           -Urm)";
const TARGET: &str =
    "the mount point is missing: make it first (mkdir for a directory, touch for a file)";
const LOOP: &str =
    "a symbolic link leads in a circle, or one was refused: give the path it should lead to";
const BUSY: &str = "the same file system is mounted there already, or the target is in use";
const LIMIT: &str = "too many mounts in this namespace (/proc/sys/fs/mount-max)";

const PROPAGATION: MsFlags = MsFlags::MS_SHARED
    .union(MsFlags::MS_PRIVATE)
    .union(MsFlags::MS_SLAVE)
    .union(MsFlags::MS_UNBINDABLE);

/// Advice for mount(2), which is five calls under one name: first what only this kind of call
/// means by `errno`, then what all of them mean.
pub(crate) fn mount(flags: MsFlags, fstype: Option<&CStr>, errno: Errno) -> Option<&'static str> {
    let special = if flags.contains(MsFlags::MS_REMOUNT) {
        remount(errno)
    } else if flags.contains(MsFlags::MS_BIND) {
        bind(errno)
    } else if flags.intersects(PROPAGATION) {
        propagation(errno)
    } else if flags.contains(MsFlags::MS_MOVE) {
        moved(errno)
    } else {
        filesystem(fstype.map_or(b"", CStr::to_bytes), errno)
    };
    special.or_else(|| any_mount(errno))
}

/// Advice for attaching a tree: a new file system of this type, or with `None` what was mounted
/// before.
pub fn mounted(fstype: Option<&CStr>, errno: Errno) -> Option<&'static str> {
    let flags = if fstype.is_some() { MsFlags::empty() } else { MsFlags::MS_BIND };
    mount(flags, fstype, errno)
}

/// Advice for changing a mount.
pub fn change(errno: Errno) -> Option<&'static str> {
    mount(MsFlags::MS_REMOUNT, None, errno)
}

fn any_mount(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOENT => TARGET,
        Errno::ENOTDIR => {
            "source and target must be of one kind: a directory covers a directory, a file a file"
        }
        Errno::EPERM => NEEDS_ADMIN,
        Errno::EACCES => {
            "a directory on the way cannot be searched by this user, or the file system is \
             read-only"
        }
        Errno::ELOOP => LOOP,
        Errno::EBUSY => BUSY,
        Errno::ENOSPC => LIMIT,
        Errno::ENAMETOOLONG => "a path is longer than 4095 bytes, or a name in it than 255",
        Errno::EROFS => "the device is read-only: add MS_RDONLY",
        _ => return None,
    })
}

fn bind(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOENT => {
            "the source or the mount point is missing: make both first (mkdir for a directory, \
             touch for a file)"
        }
        Errno::EINVAL => {
            "the source belongs to another mount namespace, is unbindable, or has mounts below it \
             that a user namespace may not uncover: take all of it with MS_BIND|MS_REC"
        }
        _ => return None,
    })
}

fn moved(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EINVAL => {
            "the source must be a mount point whose parent mount is not shared: make the parent \
             private first (mount --make-private)"
        }
        Errno::ELOOP => "the target is inside the source",
        _ => return None,
    })
}

fn remount(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EINVAL => "only a mount point can be remounted: bind the directory on itself first",
        Errno::EPERM => {
            "a user namespace may not take away a flag the mount came with: repeat its nosuid, \
             nodev, noexec, ro and atime flags (findmnt -o OPTIONS)"
        }
        Errno::EBUSY => {
            "a file is open for writing on a file system that would become read-only: with MS_BIND \
             only this mount changes"
        }
        _ => return None,
    })
}

fn propagation(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EINVAL => {
            "propagation belongs to a mount, and the target is not a mount point: bind it on \
             itself first; only one of shared, private, slave, unbindable can be chosen"
        }
        _ => return None,
    })
}

fn filesystem(fstype: &[u8], errno: Errno) -> Option<&'static str> {
    Some(match (fstype, errno) {
        (b"proc", Errno::EPERM) => {
            "in a user namespace a new /proc needs a PID namespace made with it, and a visible \
             /proc that nothing covers; inside Docker parts of /proc are masked: start the outer \
             container with --security-opt systempaths=unconfined, or bind the old /proc"
        }
        (b"sysfs", Errno::EPERM | Errno::EACCES) => {
            "in a user namespace a new /sys needs a network namespace made with it, and a visible \
             /sys that nothing covers: add --net, or bind the old /sys"
        }
        (b"cgroup2", Errno::EPERM | Errno::EACCES) => {
            "in a user namespace cgroup2 needs a cgroup namespace made with it: add --cgroup"
        }
        (b"cgroup2", Errno::EBUSY) => "the controllers are held by cgroup v1 mounts",
        (b"mqueue", Errno::EPERM | Errno::EACCES) => {
            "in a user namespace mqueue needs an IPC namespace made with it: add --ipc"
        }
        (b"devpts", Errno::EINVAL) => {
            "a gid= or uid= of the options is not mapped in this user namespace: leave it out"
        }
        (b"tmpfs", Errno::EINVAL) => {
            "an option is unknown or malformed (man 5 tmpfs); uid= and gid= must be mapped in this \
             user namespace"
        }
        (b"overlay", Errno::EINVAL) => {
            "see the reason in dmesg; common ones: workdir and upperdir on different mounts, \
             upperdir on an overlay or a network file system, more than 500 layers"
        }
        (b"overlay", Errno::ELOOP | Errno::EBUSY) => {
            "lowerdir, upperdir or workdir overlap, or one is in use by another overlay mount"
        }
        (b"overlay", Errno::ENOENT) => {
            "lowerdir, upperdir, workdir or the mount point is missing (the option string is cut \
             after 4095 bytes)"
        }
        (_, Errno::ENODEV) => {
            "this kernel has no such file system: see /proc/filesystems, or load its module as root"
        }
        (_, Errno::EINVAL) => {
            "the file system did not like its options or its super block: the reason is in dmesg"
        }
        (_, Errno::EPERM) => {
            "mounting needs CAP_SYS_ADMIN, and in a user namespace only a file system made for it \
             (tmpfs, proc, sysfs, devpts, mqueue, cgroup2, overlay, fuse)"
        }
        (_, Errno::ENOTBLK) => {
            "this file system lives on a block device, and the source is none: use a loop device"
        }
        (_, Errno::ENXIO) => "the device's driver is not there",
        (_, Errno::ENOTDIR) => "the mount point must be a directory",
        _ => return None,
    })
}

/// Advice for umount2(2).
pub(crate) fn umount(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EBUSY => {
            "a working directory, an open file or another mount is in it: leave it, or detach it \
             (umount -l)"
        }
        Errno::EINVAL => {
            "not a mount point; or it came from a more privileged mount namespace, where it is \
             locked together with what it covers"
        }
        Errno::ENOENT => "there is no such mount point",
        Errno::EPERM => NEEDS_ADMIN,
        _ => return None,
    })
}

/// Advice for pivot_root(2).
pub(crate) fn pivot_root(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EBUSY => {
            "new_root or put_old is on the mount that is the root already: bind new_root on \
             itself, so that it is a mount of its own"
        }
        Errno::EINVAL => {
            "it is one of these:\n\
             - new_root is not a mount point: bind it on itself\n\
             - put_old is not at or below new_root\n\
             - a parent mount is shared: mount --make-rprivate /\n\
             - new_root's mount is locked by a more privileged namespace: bind it on itself\n\
             - \"/\" is no mount point, as after chroot(2), or is the initial ramfs, which cannot \
             be moved: only chroot(2) works there"
        }
        Errno::ENOTDIR => "new_root and put_old must be directories",
        Errno::ENOENT => "make new_root and put_old first",
        Errno::EPERM => {
            "pivot_root needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace: \
             run it as root, or in a user namespace of your own (unshare -Urm)"
        }
        _ => return None,
    })
}

/// Advice for chroot(2).
pub(crate) fn chroot(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EPERM => {
            "chroot needs CAP_SYS_CHROOT: run it as root, or in a user namespace of your own \
             (unshare -Ur)"
        }
        Errno::ENOENT => "make the directory first",
        Errno::ENOTDIR => "the new root must be a directory",
        Errno::EACCES => {
            "a directory on the way cannot be searched by this user: chmod +x it, or choose \
             another place"
        }
        Errno::ELOOP => LOOP,
        _ => return None,
    })
}
