//! A root file system on paper: paths, what is there, and why.
//!
//! It is decided before anything is written, so that it can be shown, compared, and changed: the
//! demonstration takes the loader out of one.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    ops::Bound,
    path::{Path, PathBuf},
};

use super::copy::MARK;

/// Where programs are looked for inside of a root file system, as Docker has it.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Something to be had in the root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A name that is looked for in the search path, or a path; it keeps its absolute path. One
    /// that lies outside of [`DEFAULT_PATH`] gets a link in `/usr/bin`.
    Named(OsString),
    /// The file `source`, copied to `at`.
    File {
        /// The file on the host.
        source: PathBuf,
        /// Its absolute path in the root file system.
        at: PathBuf,
    },
    /// A link of this name in `/usr/bin` to the program `to`, as busybox wants them.
    Link {
        /// The link's name.
        name: OsString,
        /// The program's name or path.
        to: OsString,
    },
}

impl From<&str> for Program {
    /// `ls`, `/opt/bin/tool`, or `sh=busybox` for a link.
    fn from(text: &str) -> Self {
        match text.split_once('=') {
            Some((name, to)) => Self::Link { name: name.into(), to: to.into() },
            None => Self::Named(text.into()),
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A directory with these permission bits.
    Directory(u32),
    /// A symbolic link that reads this.
    Link(PathBuf),
    /// A copy of this file of the host.
    Copy(PathBuf),
    /// A file with this text.
    Text(&'static str),
}

/// One file, link or directory of the root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub what: What,
    /// Why it is there.
    pub why: String,
}

/// A root file system on paper: absolute paths and what is there, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The entries by path.
    pub entries: BTreeMap<PathBuf, Entry>,
}

impl Plan {
    /// Whether something else of the plan is below the directory `path`: then that is why it is
    /// there.
    pub fn is_on_the_way(&self, path: &Path) -> bool {
        let mut after = self.entries.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded));
        after.next().is_some_and(|(next, _)| next.starts_with(path))
    }
}

/// What programs expect around them, whatever they are.
pub(super) const BASE: [(&str, What, &str); 12] = [
    ("/dev", What::Directory(0o755), "mount point for devices"),
    ("/etc", What::Directory(0o755), "configuration"),
    ("/etc/group", What::Text("root:x:0:\nnogroup:x:65534:\n"), "names of groups"),
    (
        "/etc/nsswitch.conf",
        What::Text("passwd: files\ngroup: files\nhosts: files dns\n"),
        "where libc looks names up",
    ),
    ("/etc/os-release", What::Text(MARK), "says who made this"),
    (
        "/etc/passwd",
        What::Text(
            "root:x:0:0:root:/root:/bin/sh\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        ),
        "names of users",
    ),
    ("/proc", What::Directory(0o755), "mount point for proc"),
    ("/root", What::Directory(0o700), "home of root"),
    ("/run", What::Directory(0o755), "state of running programs"),
    ("/sys", What::Directory(0o755), "mount point for sysfs"),
    ("/tmp", What::Directory(0o1777), "scratch, for everybody"),
    ("/usr/bin", What::Directory(0o755), "programs"),
];
