//! chroot, pivot_root and a root file system made from the host's own programs.
//!
//! A container's "/" is three things that this crate keeps apart: a directory with programs in it
//! ([`build`]), mounts on top of it ([`Mount`], [`dev`]), and the call that makes it the root
//! ([`pivot`], or the weaker [`chroot`]). What the kernel does is a [`ground::Step`]; what is only
//! file work is a plain function.
//!
//! | file | what it is |
//! |---|---|
//! | `pivot.rs` | the point of this lab: [`pivot`], [`chroot`] and their single calls |
//! | `mount.rs` | one call of mount(2) as a value; every later lab builds on it |
//! | `tree.rs`, `file_system.rs` | a mount that is nowhere yet, held by a descriptor: open_tree(2), fsopen(2), move_mount(2) |
//! | `new_root.rs` | a directory made a mount of its own, as pivot_root(2) wants it |
//! | `inode.rs`, `dev.rs` | mount points, device nodes, a minimal /dev |
//! | `mountinfo.rs` | the mounts that a process sees |
//! | `advice.rs` | what an errno of these calls means; for looking things up |
//! | `build/` | a root file system from the host's own programs: no step, no privilege |

mod advice;
mod attributes;
mod build;
pub mod dev;
mod fd_path;
mod file_system;
mod inode;
mod mount;
mod mountinfo;
mod new_root;
mod pivot;
mod sys;
mod tree;

use std::{
    ffi::CString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use ground::{Error, Result};

pub use advice::{change as change_advice, mounted as mount_advice};
pub use attributes::{attribute_names, attributes_of};
pub use build::{
    DEFAULT_PATH, Entry, Plan, Program, Walk, What, build, elf, loader, plan, remove, walk,
    why_not_found, write,
};
pub use fd_path::FdPath;
pub use file_system::FileSystem;
pub use inode::{CreateFile, Mkdir, Mknod, NodeKind, Symlink, Umask};
pub use mount::{MntFlags, Mount, MsFlags, Umount, flag_names};
pub use mountinfo::MountInfo;
pub use new_root::NewRoot;
pub use pivot::{Chdir, Chroot, PivotRoot, chroot, pivot};
pub use tree::{Change, ChangeLater, Held, Reach, Tree};

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
