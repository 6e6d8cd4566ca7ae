//! The system calls that nix does not wrap. All `unsafe` of this lab is in this file.
#![allow(unsafe_code, reason = "system calls without a wrapper, each with its reason")]

use std::{
    ffi::CStr,
    mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use nix::errno::Errno;

/// Sets MOUNT_ATTR_RDONLY on the mount at `target` and all below it (man 2 mount_setattr).
pub fn set_read_only(target: &CStr) -> Result<(), Errno> {
    // SAFETY: mount_attr is a struct of integers, for which all bits zero means "change nothing".
    let mut attr: libc::mount_attr = unsafe { mem::zeroed() };
    attr.attr_set = libc::MOUNT_ATTR_RDONLY;
    // SAFETY: `target` ends with NUL, `attr` outlives the call and its true size is passed.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::AT_RECURSIVE,
            &attr,
            size_of_val(&attr),
        )
    };
    Errno::result(set).map(drop)
}

/// A copy of the mount tree at `path` that is attached nowhere (man 2 open_tree).
pub fn open_tree_clone(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
    // SAFETY: `path` ends with NUL; a new descriptor or -1 comes back.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    let fd = Errno::result(fd)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches the detached tree `mount` at `target` (man 2 move_mount).
pub fn move_mount(mount: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths end with NUL; the empty one means the descriptor itself.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(moved).map(drop)
}
