//! The mount calls that nix does not wrap. All `unsafe` of this lab is in this file.
//!
//! # Safety
//! Every function here is safe to call, also between clone(2) and execve(2): it passes strings,
//! integers and descriptors to one system call.
#![allow(unsafe_code, reason = "fsopen(2), open_tree(2) and their family have no wrapper")]

use std::{
    ffi::CStr,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use ground::Errno;

// include/uapi/linux/mount.h; the numbers are the same on every architecture.
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const BOTH_BY_DESCRIPTOR: libc::c_uint =
    libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;

/// Begins to make a file system of this type (man 2 fsopen).
pub fn fsopen(fs_type: &CStr) -> Result<OwnedFd, Errno> {
    // SAFETY: the string outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_fsopen, fs_type.as_ptr(), FSOPEN_CLOEXEC) };
    owned(fd)
}

/// Sets one parameter: a flag without a value, a string with one (man 2 fsconfig).
pub fn fsconfig(context: BorrowedFd<'_>, key: &CStr, value: Option<&CStr>) -> Result<(), Errno> {
    let (command, value) = match value {
        Some(value) => (FSCONFIG_SET_STRING, value.as_ptr()),
        None => (FSCONFIG_SET_FLAG, ptr::null()),
    };
    // SAFETY: both strings outlive the call; a flag has a null value, as the manual wants.
    let done = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key.as_ptr(), value, 0)
    };
    Errno::result(done).map(drop)
}

/// Makes the file system from the parameters (man 2 fsconfig, FSCONFIG_CMD_CREATE).
pub fn fsconfig_create(context: BorrowedFd<'_>) -> Result<(), Errno> {
    let none = ptr::null::<libc::c_char>();
    // SAFETY: this command has neither key nor value.
    let done = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, none, none, 0)
    };
    Errno::result(done).map(drop)
}

/// A mount of the file system with these attributes, attached nowhere yet (man 2 fsmount).
pub fn fsmount(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd, Errno> {
    let attributes = attributes as libc::c_uint;
    // SAFETY: three integers go in, a new descriptor or -1 comes out.
    let fd = unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes)
    };
    owned(fd)
}

/// A copy of the mount at `path`, and of those below it if `recursive`, that is attached nowhere.
/// An empty path means what `dir` itself stands for (man 2 open_tree).
pub fn open_tree_clone(dir: RawFd, path: &CStr, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as u32;
    if recursive {
        flags |= libc::AT_RECURSIVE as u32;
    }
    // SAFETY: `path` ends with NUL; a new descriptor or -1 comes back.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) };
    owned(fd)
}

/// Changes the mount at `path`, and those below it if `recursive`. An empty path means what `dir`
/// itself stands for (man 2 mount_setattr).
pub fn mount_setattr(
    dir: RawFd,
    path: &CStr,
    recursive: bool,
    change: &libc::mount_attr,
) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let (size, path) = (size_of_val(change), path.as_ptr());
    // SAFETY: `path` ends with NUL; `change` outlives the call and its true size is passed.
    let set = unsafe { libc::syscall(libc::SYS_mount_setattr, dir, path, flags, change, size) };
    Errno::result(set).map(drop)
}

/// Attaches the detached tree `mount` on what `target` stands for (man 2 move_mount).
pub fn move_mount(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: both paths are empty, which means the descriptors themselves.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            BOTH_BY_DESCRIPTOR,
        )
    };
    Errno::result(moved).map(drop)
}

fn owned(fd: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = Errno::result(fd)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
