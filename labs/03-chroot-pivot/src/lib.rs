//! chroot, pivot_root and a root file system made from the host's own programs.
//!
//! A container's "/" is three things that this crate keeps apart: a directory with programs in it
//! ([`build`]), mounts on top of it ([`Mount`], [`dev`]), and the call that makes it the root
//! ([`pivot`], or the weaker [`chroot`]). What the kernel does is a [`ground::Step`]; what is only
//! file work is a plain function.
//!
//! Start with `pivot.rs`; `mount.rs` is what every later lab builds on.

mod absent;
mod advice;
mod copy;
pub mod dev;
pub mod elf;
mod inode;
pub mod loader;
mod mount;
mod mountinfo;
mod pivot;
mod plan;
mod walk;

use std::{
    ffi::CString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use ground::{Error, Result};

pub use absent::why_not_found;
pub use copy::{build, remove, write};
pub use inode::{CreateFile, Mkdir, Mknod, NodeKind, Symlink, Umask};
pub use mount::{MntFlags, Mount, MsFlags, Umount, flag_names};
pub use mountinfo::MountInfo;
pub use pivot::{Chdir, Chroot, PivotRoot, chroot, pivot};
pub use plan::{DEFAULT_PATH, Entry, Plan, Program, What, plan};
pub use walk::{Walk, walk};

/// A path as the kernel takes it: this is the door where text becomes a prepared argument.
///
/// # Errors
/// A path with a NUL byte in it, which no file can have.
pub fn c_path(path: impl AsRef<Path>) -> Result<CString> {
    let bytes = path.as_ref().as_os_str().as_bytes();
    CString::new(bytes).map_err(|error| {
        let shown = std::ffi::OsString::from_vec(error.into_vec());
        Error::new(format!("cannot use the path {shown:?}"))
            .why("it contains a NUL byte, which ends a name for the kernel")
            .see("7 path_resolution")
    })
}
