//! Which namespace: two processes share one exactly when device and inode are equal.

use std::{fmt, fs, os::unix::fs::MetadataExt};

use ground::{Error, Result};
use nix::unistd::Pid;

use crate::Kind;

/// The identity of a namespace: the file under `/proc/PID/ns` that stands for it (man 7
/// namespaces). Inodes are given again after a namespace is gone; the pair is unique only while it
/// lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Which kind.
    pub kind: Kind,
    /// The device of the file system of namespaces, nsfs.
    pub dev: u64,
    /// The inode, the number in `pid:[4026531836]`.
    pub ino: u64,
}

impl Id {
    /// The namespace of `kind` that the calling thread lives in.
    ///
    /// # Errors
    /// ENOENT when the kernel does not have this kind.
    pub fn own(kind: Kind) -> Result<Self> {
        // Not /proc/self, which speaks for the main thread even when another one asks.
        Self::at(&format!("/proc/thread-self/ns/{}", kind.name()), kind)
    }

    /// The namespace of `kind` that process `pid` lives in.
    ///
    /// # Errors
    /// ENOENT when there is no such process (or kind), EACCES when we may not look: that needs the
    /// rights of ptrace(2), PTRACE_MODE_READ.
    pub fn of(pid: Pid, kind: Kind) -> Result<Self> {
        Self::at(&format!("/proc/{pid}/ns/{}", kind.name()), kind)
    }

    /// The namespace that the file `path` stands for: a link below `/proc`, or a bind mount of one.
    ///
    /// # Errors
    /// As stat(2).
    pub fn at(path: &str, kind: Kind) -> Result<Self> {
        let file = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self { kind, dev: file.dev(), ino: file.ino() })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[{}]", self.kind.name(), self.ino)
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    let report = Error::new("cannot see the namespace").io(format_args!("stat {path}"), error);
    let report = report.see("7 namespaces");
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            report.fix("check that the process still runs: ps -p PID; an old kernel lacks newer kinds: ls /proc/self/ns")
        }
        std::io::ErrorKind::PermissionDenied => report.fix(
            "look at a process of your own, or ask as root; some machines hide PID 1 even from root",
        ),
        _ => report,
    }
}
