//! The kernel's walk along a path as the container would walk it: openat2(2) with RESOLVE_IN_ROOT.

use std::{
    ffi::CStr,
    os::fd::{BorrowedFd, OwnedFd},
};

use ground::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// openat2(2) from `root`, which counts as "/".
pub(crate) fn resolve(root: BorrowedFd<'_>, path: &CStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    loop {
        match openat2(root, path, how) {
            // A rename somewhere made the kernel lose its way with `..`: it asks to try again.
            Err(Errno::EAGAIN) => {}
            opened => return opened,
        }
    }
}
