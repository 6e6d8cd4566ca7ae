//! A new root, before it is one: a directory becomes a mount of its own and the working directory.
//!
//! pivot_root(2) wants a mount point that is not shared. The directory is opened once; what is
//! attached, changed and gone into is that descriptor, so that nobody can exchange it meanwhile.

use std::{ffi::CString, os::fd::AsFd};

use ground::{Errno, Explanation, Step};
use nix::{
    fcntl::{OFlag, open},
    mount::MsFlags,
    sys::stat::Mode,
    unistd::fchdir,
};

use crate::{Change, ChangeLater, Held, Reach, Tree, advice, mount::flag_names};

/// Makes a directory, with the mounts in it, a mount of its own, and goes there.
#[derive(Debug)]
pub struct NewRoot {
    dir: CString,
    propagation: MsFlags,
    held: Held,
}

impl NewRoot {
    /// `dir`, whose mounts spread as `propagation` has it: MS_PRIVATE, or MS_SLAVE to see what the
    /// host mounts there later.
    pub fn new(dir: impl Into<CString>, propagation: MsFlags) -> Self {
        Self { dir: dir.into(), propagation, held: Held::default() }
    }

    /// A later change of this mount, through the same descriptor.
    pub fn later(&self, change: Change, why: &'static str) -> ChangeLater {
        self.held.later(self.dir.to_string_lossy().into_owned(), change, why)
    }
}

impl Step for NewRoot {
    fn run(&self) -> Result<(), Errno> {
        let place = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = open(self.dir.as_c_str(), place, Mode::empty())?;
        let tree = Tree::copy_of(&dir, Reach::All)?;
        tree.attach(&dir)?;
        // After it was attached: on a shared mount it has just become shared itself.
        tree.change_attached(&Change::propagation(self.propagation, Reach::All))?;
        fchdir(tree.as_fd())?;
        self.held.keep(tree);
        Ok(())
    }

    fn explain(&self) -> Explanation {
        let dir = self.dir.to_string_lossy();
        let call = format!(
            "open_tree({dir:?}, OPEN_TREE_CLONE|AT_RECURSIVE); move_mount(.., {dir:?}); \
             mount_setattr(AT_RECURSIVE, propagation={}); fchdir(..)",
            flag_names(self.propagation)
        );
        let why = "pivot_root wants a mount point that is not shared; every path of the container \
                   is walked from here, with \"..\" and links kept inside: openat2(.., \
                   RESOLVE_IN_ROOT)";
        Explanation::new(call, why, "2 open_tree")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        advice::mounted(None, errno)
    }
}
