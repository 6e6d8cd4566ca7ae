//! A new root: chroot(2) for one process, pivot_root(2) for a mount namespace.
//!
//! `chroot` changes where the caller's absolute paths begin, and nothing else: the old root is
//! still mounted, and whoever holds a directory outside walks back. `pivot_root` exchanges the
//! namespace's root mount; afterwards the old one can be unmounted, and there is nothing left to
//! walk back to. See chroot(2), pivot_root(2), path_resolution(7).

use std::{
    borrow::Cow,
    ffi::{CStr, CString},
};

use ground::{Errno, Explanation, Step};
use nix::unistd;

use crate::{
    advice,
    mount::{Umount, quoted},
};

/// `chdir(path)`.
#[derive(Debug, Clone)]
pub struct Chdir {
    path: CString,
    why: Cow<'static, str>,
}

impl Chdir {
    /// Changes the working directory, for the reason the caller gives.
    pub fn new(path: impl Into<CString>, why: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), why: why.into() }
    }
}

impl Step for Chdir {
    fn run(&self) -> Result<(), Errno> {
        unistd::chdir(self.path.as_c_str())
    }

    fn explain(&self) -> Explanation {
        let call = format!("chdir({})", quoted(&self.path));
        Explanation::new(call, self.why.as_ref(), "2 chdir")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        Some(match errno {
            Errno::ENOENT => "the directory does not exist: make it first",
            Errno::ENOTDIR => "it is not a directory",
            Errno::EACCES => "it needs execute permission on every directory of the path",
            _ => return None,
        })
    }
}

/// `chroot(path)`: where the caller's absolute paths begin. The working directory stays where it
/// is, outside: always follow with a [`Chdir`] to `/`.
#[derive(Debug, Clone)]
pub struct Chroot {
    path: CString,
    why: Cow<'static, str>,
}

impl Chroot {
    /// Makes `path` the caller's root directory.
    pub fn new(path: impl Into<CString>) -> Self {
        let why = "\"/\" now means this directory, for this process and its children only";
        Self { path: path.into(), why: Cow::Borrowed(why) }
    }

    /// Says why, in the caller's words.
    pub fn why(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), ..self }
    }
}

impl Step for Chroot {
    fn run(&self) -> Result<(), Errno> {
        unistd::chroot(self.path.as_c_str())
    }

    fn explain(&self) -> Explanation {
        let call = format!("chroot({})", quoted(&self.path));
        Explanation::new(call, self.why.as_ref(), "2 chroot")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        advice::chroot(errno)
    }
}

/// `pivot_root(new_root, put_old)`: exchanges the root mount of the mount namespace.
#[derive(Debug, Clone)]
pub struct PivotRoot {
    new_root: CString,
    put_old: CString,
    why: Cow<'static, str>,
}

impl PivotRoot {
    /// `new_root` becomes the root mount, and the old one is mounted at `put_old` below it.
    pub fn new(new_root: impl Into<CString>, put_old: impl Into<CString>) -> Self {
        let why = "the new root mount takes the old one's place; the old one moves to put_old";
        let (new_root, put_old) = (new_root.into(), put_old.into());
        Self { new_root, put_old, why: Cow::Borrowed(why) }
    }

    /// `pivot_root(".", ".")`: the old root is stacked on top of the new one, so that no directory
    /// for it is needed.
    pub fn stacked() -> Self {
        Self::new(c".", c".").why(
            "the new root mount takes the old one's place; the old one is stacked on top of it",
        )
    }

    /// Says why, in the caller's words.
    pub fn why(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), ..self }
    }
}

impl Step for PivotRoot {
    fn run(&self) -> Result<(), Errno> {
        unistd::pivot_root(self.new_root.as_c_str(), self.put_old.as_c_str())
    }

    fn explain(&self) -> Explanation {
        let call = format!("pivot_root({}, {})", quoted(&self.new_root), quoted(&self.put_old));
        Explanation::new(call, self.why.as_ref(), "2 pivot_root")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        advice::pivot_root(errno)
    }
}

// ANCHOR: pivot
/// Makes `new_root`, which must be a mount point in a private mount namespace, the root of the
/// namespace, and lets go of the old one: runc's four calls, without a directory for the old root.
///
/// Everything that is still needed from the old root (bind sources, programs) must be opened or
/// mounted before. All processes of the namespace whose root or working directory was the old root
/// move along.
pub fn pivot(new_root: &CStr) -> Vec<Box<dyn Step>> {
    // ANCHOR: pivot_steps
    vec![
        Box::new(Chdir::new(new_root, "\".\" is about to become both new_root and put_old")),
        Box::new(PivotRoot::stacked()),
        Box::new(Umount::detach(c".").why(
            "\".\" leads to the mount on top, the old root: after this there is no way back to it",
        )),
        Box::new(Chdir::new(
            c"/",
            "pivot_root does not promise to move the working directory; this one is surely inside",
        )),
    ]
    // ANCHOR_END: pivot_steps
}
// ANCHOR_END: pivot

/// Makes `new_root` the root directory of the caller only, as chroot(8) does. Not a wall: see the
/// lab's break-out.
pub fn chroot(new_root: &CStr) -> Vec<Box<dyn Step>> {
    // ANCHOR: chroot_steps
    vec![
        Box::new(Chroot::new(new_root)),
        Box::new(Chdir::new(c"/", "chroot leaves the working directory outside the new root")),
    ]
    // ANCHOR_END: chroot_steps
}
