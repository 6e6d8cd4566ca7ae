//! Directories, files, links and devices as steps: what must be there before it can be mounted on.
//!
//! A mount needs a mount point of its own kind: a directory for a directory, any file for a file.
//! See mkdir(2), open(2), symlink(2), mknod(2), umask(2).

use std::{borrow::Cow, ffi::CString};

use ground::{Errno, Explanation, Step};
use nix::{
    fcntl::{AT_FDCWD, OFlag, open},
    sys::stat::{self, Mode, SFlag},
    unistd,
};

use crate::mount::quoted;

/// `mkdir(path, mode)`; what is there already is fine and keeps its mode.
#[derive(Debug, Clone)]
pub struct Mkdir {
    path: CString,
    mode: u32,
    why: Cow<'static, str>,
}

impl Mkdir {
    /// A directory with permission bits `mode`, less the umask.
    pub fn new(path: impl Into<CString>, mode: u32, why: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), mode, why: why.into() }
    }
}

impl Step for Mkdir {
    fn run(&self) -> Result<(), Errno> {
        let mode = Mode::from_bits_truncate(self.mode);
        fine_when_there(unistd::mkdir(self.path.as_c_str(), mode))
    }

    fn explain(&self) -> Explanation {
        let call = format!("mkdir({}, {:04o})", quoted(&self.path), self.mode);
        Explanation::new(call, self.why.as_ref(), "2 mkdir")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        cannot_make(errno)
    }
}

/// `open(path, O_WRONLY|O_CREAT|O_CLOEXEC, mode)`: an empty file, as a mount point for files; one
/// that is there already keeps its content.
#[derive(Debug, Clone)]
pub struct CreateFile {
    path: CString,
    mode: u32,
    why: Cow<'static, str>,
}

impl CreateFile {
    /// A file with permission bits `mode`, less the umask.
    pub fn new(path: impl Into<CString>, mode: u32, why: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), mode, why: why.into() }
    }
}

impl Step for CreateFile {
    fn run(&self) -> Result<(), Errno> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        open(self.path.as_c_str(), flags, Mode::from_bits_truncate(self.mode)).map(drop)
    }

    fn explain(&self) -> Explanation {
        let path = quoted(&self.path);
        let call = format!("open({path}, O_WRONLY|O_CREAT|O_CLOEXEC, {:04o})", self.mode);
        Explanation::new(call, self.why.as_ref(), "2 open")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        cannot_make(errno)
    }
}

/// `symlink(target, path)`; what is there already is fine and stays.
#[derive(Debug, Clone)]
pub struct Symlink {
    target: CString,
    path: CString,
    why: Cow<'static, str>,
}

impl Symlink {
    /// A link at `path` that reads `target`.
    pub fn new(
        target: impl Into<CString>,
        path: impl Into<CString>,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { target: target.into(), path: path.into(), why: why.into() }
    }
}

impl Step for Symlink {
    fn run(&self) -> Result<(), Errno> {
        fine_when_there(unistd::symlinkat(self.target.as_c_str(), AT_FDCWD, self.path.as_c_str()))
    }

    fn explain(&self) -> Explanation {
        let call = format!("symlink({}, {})", quoted(&self.target), quoted(&self.path));
        Explanation::new(call, self.why.as_ref(), "2 symlink")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        cannot_make(errno)
    }
}

/// What a [`Mknod`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A FIFO; it has no device number.
    Fifo,
}

/// `mknod(path, S_IFCHR|mode, makedev(major, minor))`. EPERM in a user namespace other than the
/// initial one: bind the host's node there instead.
#[derive(Debug, Clone)]
pub struct Mknod {
    path: CString,
    kind: NodeKind,
    mode: u32,
    number: (u32, u32),
    why: Cow<'static, str>,
}

impl Mknod {
    /// A node with permission bits `mode`, less the umask, and the device `number` (major, minor).
    pub fn new(path: impl Into<CString>, kind: NodeKind, mode: u32, number: (u32, u32)) -> Self {
        let why = Cow::Borrowed("a device is its number; the name in /dev is convention");
        Self { path: path.into(), kind, mode, number, why }
    }

    /// Says why, in the caller's words.
    pub fn why(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), ..self }
    }
}

impl Step for Mknod {
    fn run(&self) -> Result<(), Errno> {
        let kind = match self.kind {
            NodeKind::Char => SFlag::S_IFCHR,
            NodeKind::Block => SFlag::S_IFBLK,
            NodeKind::Fifo => SFlag::S_IFIFO,
        };
        let mode = Mode::from_bits_truncate(self.mode);
        let number = stat::makedev(self.number.0.into(), self.number.1.into());
        stat::mknod(self.path.as_c_str(), kind, mode, number)
    }

    fn explain(&self) -> Explanation {
        let (path, mode, (major, minor)) = (quoted(&self.path), self.mode, self.number);
        let call = match self.kind {
            NodeKind::Char => {
                format!("mknod({path}, S_IFCHR|{mode:04o}, makedev({major:#x}, {minor:#x}))")
            }
            NodeKind::Block => {
                format!("mknod({path}, S_IFBLK|{mode:04o}, makedev({major:#x}, {minor:#x}))")
            }
            NodeKind::Fifo => format!("mknod({path}, S_IFIFO|{mode:04o})"),
        };
        Explanation::new(call, self.why.as_ref(), "2 mknod")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        Some(match errno {
            Errno::EPERM => {
                "device nodes need CAP_MKNOD in the initial user namespace: bind the host's node \
                 over an empty file instead"
            }
            _ => return cannot_make(errno),
        })
    }
}

/// `umask(mask)`: the permission bits that are taken away from whatever is made later.
#[derive(Debug, Clone, Copy)]
pub struct Umask(pub u32);

impl Step for Umask {
    fn run(&self) -> Result<(), Errno> {
        stat::umask(Mode::from_bits_truncate(self.0));
        Ok(())
    }

    fn explain(&self) -> Explanation {
        let why = match self.0 {
            0 => "the modes that are asked for below are the modes that files get",
            _ => "what programs make is not writable for everybody",
        };
        Explanation::new(format!("umask({:03o})", self.0), why, "2 umask")
    }
}

fn fine_when_there(made: nix::Result<()>) -> nix::Result<()> {
    match made {
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

fn cannot_make(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOENT => "the directory it should be in is missing: make that first (mkdir -p)",
        Errno::ENOTDIR => "something on the path is not a directory",
        Errno::EISDIR => "a directory of this name is there already",
        Errno::EEXIST => "something of this name is there already: remove it first",
        Errno::EACCES => "this user may not write in the directory it should be in",
        Errno::EROFS => "the file system is read-only: make it before the remount",
        Errno::ENOSPC | Errno::EDQUOT => "the file system is full (df, df -i)",
        Errno::ELOOP => "a symbolic link on the path leads in a circle",
        _ => return None,
    })
}
