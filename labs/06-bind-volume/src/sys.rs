//! The system calls that nix wraps with an allocation, or not at all. All `unsafe` of this lab is in
//! this file.
#![allow(unsafe_code, reason = "a child before exec must not allocate")]

use std::{
    ffi::CStr,
    os::fd::{AsRawFd, BorrowedFd},
};

use nix::{errno::Errno, sys::time::TimeSpec};

/// Reads the link `name` in the directory `parent` into `buffer`; its length comes back (man 2
/// readlink). nix's way allocates, which a child before exec must not.
pub fn readlinkat(parent: BorrowedFd<'_>, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (to, room) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: `name` ends with NUL, and at most `room` bytes are written to `buffer`.
    let length = unsafe { libc::readlinkat(parent.as_raw_fd(), name.as_ptr(), to, room) };
    Errno::result(length).map(|length| length as usize)
}

/// Reads the next names of a directory into `buffer`; how many bytes they take comes back, 0 at the
/// end (man 2 getdents64). nix's and std's ways allocate.
pub fn getdents64(directory: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (fd, to, room) = (directory.as_raw_fd(), buffer.as_mut_ptr(), buffer.len());
    // SAFETY: at most `room` bytes are written to `buffer`.
    let length = unsafe { libc::syscall(libc::SYS_getdents64, fd, to, room) };
    Errno::result(length).map(|length| length as usize)
}

/// The first name of what [`getdents64`] has read, and what follows it.
pub fn first_name(entries: &[u8]) -> Option<(&CStr, &[u8])> {
    // struct linux_dirent64: inode and offset of 8 bytes each, the length of 2, the type, the name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let length = u16::from_ne_bytes([*entries.get(LENGTH)?, *entries.get(LENGTH + 1)?]);
    let (entry, rest) = entries.split_at_checked(length.into())?;
    Some((CStr::from_bytes_until_nul(entry.get(NAME..)?).ok()?, rest))
}

/// Sets the times of a name in a directory, of the link itself if it is one (man 2 utimensat).
pub fn utimensat(
    parent: BorrowedFd<'_>,
    name: &CStr,
    [accessed, modified]: [TimeSpec; 2],
) -> Result<(), Errno> {
    let times = [*accessed.as_ref(), *modified.as_ref()];
    let (fd, nofollow) = (parent.as_raw_fd(), libc::AT_SYMLINK_NOFOLLOW);
    // SAFETY: `name` ends with NUL; two timespecs are read, which outlive the call.
    let set = unsafe { libc::utimensat(fd, name.as_ptr(), times.as_ptr(), nofollow) };
    Errno::result(set).map(drop)
}
