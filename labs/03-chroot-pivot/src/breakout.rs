//! The break-out: chroot(2) moves the root, and forgets the working directory.
//!
//! `..` stops only at the caller's root directory. Move the root *below* the working directory, and
//! the walk upwards never meets it. One process may have only one root directory, and the second
//! chroot made us forget the first.

use std::{fmt, fs, os::unix::fs::MetadataExt, path::Path};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::unistd;
use rootfs::Chroot;

/// How many times `..` is followed: deeper than anybody keeps a root file system.
const UP: usize = 64;

/// `chdir("..")`, as often as it takes.
#[derive(Debug)]
pub struct ClimbUp;

impl Step for ClimbUp {
    fn run(&self) -> std::result::Result<(), Errno> {
        (0..UP).try_for_each(|_| unistd::chdir(c".."))
    }

    fn explain(&self) -> Explanation {
        let call = format!("chdir(\"..\") x {UP}");
        let why = "\"..\" stops only at the caller's own root, which is not on the way up";
        Explanation::new(call, why, "7 path_resolution")
    }
}

// ANCHOR: breakout
/// The three steps out; the working directory is the prison's root, and `tmp` is a directory in it.
pub fn steps(below: &Path) -> Result<[Box<dyn Step>; 3]> {
    Ok([
        Box::new(
            Chroot::new(rootfs::c_path(below)?)
                .why("the root moves below the working directory, which is now outside of it"),
        ),
        Box::new(ClimbUp),
        Box::new(Chroot::new(c".").why("wherever the climb ended is the root from now on")),
    ])
}
// ANCHOR_END: breakout

/// A directory, known by its device and inode: equal pairs are the same directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    dev: u64,
    /// The inode, 2 for the root of many file systems.
    pub ino: u64,
}

impl Place {
    /// The directory at `path`.
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let found = fs::metadata(path).map_err(|error| {
            Error::new("cannot see where a process is")
                .io(format_args!("stat {}", path.display()), &error)
                .see("5 proc_pid_root")
        })?;
        Ok(Self { dev: found.dev(), ino: found.ino() })
    }
}

impl fmt::Display for Place {
    /// `8:1/2`: major and minor number of the device, and the inode.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = (nix::sys::stat::major(self.dev), nix::sys::stat::minor(self.dev));
        write!(f, "{major}:{minor}/{}", self.ino)
    }
}
