//! Descriptors that become readable when something happens.

use std::{ffi::CStr, os::fd::OwnedFd};

use nix::errno::Errno;

use super::own;

/// A counter that somebody else adds to, the kernel here (man 2 eventfd).
pub fn eventfd() -> Result<OwnedFd, Errno> {
    // SAFETY: two integers go in, a new descriptor or -1 comes out.
    Errno::result(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) }).map(own)
}

/// Readable when the file was written to (man 7 inotify).
pub fn watch_changes(path: &CStr) -> Result<OwnedFd, Errno> {
    // SAFETY: an integer goes in, a new descriptor or -1 comes out.
    let watch = own(Errno::result(unsafe { libc::inotify_init1(libc::IN_CLOEXEC) })?);
    let number = std::os::fd::AsRawFd::as_raw_fd(&watch);
    // SAFETY: `path` ends with NUL and outlives the call.
    Errno::result(unsafe { libc::inotify_add_watch(number, path.as_ptr(), libc::IN_MODIFY) })?;
    Ok(watch)
}
