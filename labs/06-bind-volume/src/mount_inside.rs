//! A mount at a path inside: made nowhere, changed there, and only then shown.
//!
//! Not one path is looked up twice. What is mounted is a tree held by a descriptor, where it is
//! mounted is a descriptor too, and what has to be changed afterwards is changed through the tree:
//! a link that somebody exchanges meanwhile leads nobody astray. And nobody sees a read-only mount
//! while it can still be written.

use std::{
    ffi::CString,
    fmt,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use ground::{Errno, Explanation, Result, Step};
use nix::sys::stat::fstat;
use rootfs::{Change, ChangeLater, FileSystem, Held, Reach, Tree, c_path};

use crate::{Inside, Wanted, copy_up::copy_up};

type Done = std::result::Result<(), Errno>;

/// What is mounted.
#[derive(Debug)]
pub enum What {
    /// What is at a path of the host, with the mounts below it or without.
    Bind(CString, Reach),
    /// A tree that was taken along: by a parent that may do what its child may not.
    Taken(Taken),
    /// What is open already: a terminal.
    Open(BorrowedFd<'static>, &'static str),
    /// A new file system.
    FileSystem(FileSystem),
    /// A new file system with the permission bits of the directory that it covers.
    LikeTheTarget(FileSystem),
    /// The same, with the content of the directory that it covers.
    CopyUp(FileSystem),
}

/// A tree that was taken along, and how.
#[derive(Debug)]
pub struct Taken {
    /// The calls in words.
    pub calls: String,
    /// The tree itself; `None` in a plan that is only told.
    pub tree: Option<Tree>,
}

/// Judges what is about to be mounted, and where. Async-signal-safe, as a step.
pub type Judge = fn(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Done;

/// Mounts something at a path inside.
#[derive(Debug)]
pub struct MountInside {
    what: What,
    target: Inside,
    wanted: Wanted,
    before: Vec<Change>,
    after: Vec<Change>,
    judge: Option<Judge>,
    held: Held,
    why: &'static str,
}

impl MountInside {
    /// `what` at `target`, which is made if it is `wanted` and missing.
    pub fn new(what: What, target: Inside, wanted: Wanted) -> Self {
        let why = match &what {
            What::Bind(..) | What::Taken(_) | What::Open(..) => {
                "both paths lead to the same inodes from now on"
            }
            _ => "attaches a file system of its own here",
        };
        let (before, after) = (Vec::new(), Vec::new());
        Self { what, target, wanted, before, after, judge: None, held: Held::default(), why }
    }

    /// What the host has at `source`, with all the mounts in it.
    ///
    /// # Errors
    /// A NUL byte in the path.
    pub fn bind(source: &Path, target: Inside, wanted: Wanted) -> Result<Self> {
        Ok(Self::new(What::Bind(c_path(source)?, Reach::All), target, wanted))
    }

    /// Changed before anybody sees it; a change that changes nothing is left out.
    pub fn changed(mut self, change: Change) -> Self {
        self.before.extend(Some(change).filter(|it| !it.is_empty()));
        self
    }

    /// Changed when it is attached: how it spreads depends on what it was attached to.
    pub fn then(mut self, change: Change) -> Self {
        self.after.push(change);
        self
    }

    /// Only if this finds nothing against it.
    pub fn judged_by(self, judge: Judge) -> Self {
        Self { judge: Some(judge), ..self }
    }

    /// Says why, in the caller's words.
    pub fn why(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    /// A later change of the same mount, through the same descriptor.
    pub fn later(&self, change: Change, why: &'static str) -> ChangeLater {
        self.held.later(self.target.to_string(), change, why)
    }

    fn tree(&self, target: &OwnedFd) -> std::result::Result<Option<Tree>, Errno> {
        Ok(Some(match &self.what {
            What::Bind(source, reach) => Tree::copy(source, *reach)?,
            What::Taken(_) => return Ok(None),
            What::Open(file, _) => Tree::copy_of(file, Reach::One)?,
            What::FileSystem(it) => it.mount()?,
            What::LikeTheTarget(it) => like(it, target)?,
            What::CopyUp(it) => {
                let tree = like(it, target)?;
                copy_up(target, &tree)?;
                tree
            }
        }))
    }

    fn show(&self, tree: &Tree, target: &OwnedFd) -> Done {
        if let Some(judge) = self.judge {
            judge(tree.as_fd(), target.as_fd())?;
        }
        let mut too_old = false;
        for change in &self.before {
            match tree.change(change) {
                Err(Errno::ENOSYS) => too_old = true,
                changed => changed?,
            }
        }
        tree.attach(target)?;
        if too_old {
            self.before.iter().try_for_each(|change| tree.change_by_remount(change))?;
        }
        self.after.iter().try_for_each(|change| tree.change_attached(change))
    }
}

/// A tmpfs gets the mode of what it covers, so that `/tmp` stays 1777 and `/root` 0700.
fn like(file_system: &FileSystem, target: &OwnedFd) -> std::result::Result<Tree, Errno> {
    let mode = fstat(target)?.st_mode & 0o7777;
    let digit = |shift: u32| b'0' + ((mode >> shift) & 7) as u8;
    let text = [digit(9), digit(6), digit(3), digit(0), 0];
    let text = std::ffi::CStr::from_bytes_until_nul(&text).unwrap_or(c"0755");
    file_system.mount_with(Some((c"mode", text)))
}

impl Step for MountInside {
    fn run(&self) -> Done {
        let target = self.target.make(self.wanted)?;
        let made = self.tree(&target)?;
        let tree = match (&made, &self.what) {
            (None, What::Taken(Taken { tree, .. })) => tree.as_ref(),
            _ => made.as_ref(),
        };
        self.show(tree.ok_or(Errno::EBADF)?, &target)?;
        if let Some(tree) = made {
            self.held.keep(tree);
        }
        Ok(())
    }

    fn explain(&self) -> Explanation {
        let mut calls = vec![self.what.to_string()];
        calls.extend(self.before.iter().map(ToString::to_string));
        calls.push(format!("move_mount(.., \"{}\")", self.target));
        calls.extend(self.after.iter().map(ToString::to_string));
        Explanation::new(calls.join("; "), self.why, "2 move_mount")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        let fstype = match &self.what {
            What::Bind(..) | What::Taken(_) | What::Open(..) => None,
            What::FileSystem(it) | What::LikeTheTarget(it) | What::CopyUp(it) => Some(it.fstype()),
        };
        advice(errno).or_else(|| rootfs::mount_advice(fstype, errno))
    }
}

/// What these calls mean by an errno that mount(2) does not, or not so.
fn advice(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOTDIR => {
            "a directory is mounted on a directory and a file on a file; proc and sysfs on no link"
        }
        Errno::EROFS => {
            "no mount point can be made there, for the root file system or the volume around it is \
             read-only: make it there first, or mount elsewhere"
        }
        Errno::EXDEV => {
            "the target lies in a procfs, which programs trust: choose another, or mount a procfs"
        }
        Errno::ENOSYS => {
            "recursive attributes and mapped ids need Linux 5.12, openat2(2) Linux 5.6: uname -r"
        }
        _ => return None,
    })
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(source, reach) => {
                let recursive = if *reach == Reach::All { "|AT_RECURSIVE" } else { "" };
                let source = source.to_string_lossy();
                write!(f, "open_tree({source:?}, OPEN_TREE_CLONE{recursive})")
            }
            Self::Taken(taken) => f.write_str(&taken.calls),
            Self::Open(_, name) => write!(f, "open_tree({name}, OPEN_TREE_CLONE)"),
            Self::FileSystem(it) | Self::LikeTheTarget(it) => it.fmt(f),
            Self::CopyUp(it) => write!(f, "{it}; copies what is there"),
        }
    }
}

/// Changes the mount that is at a path inside already.
#[derive(Debug)]
pub struct ChangeInside {
    target: Inside,
    change: Change,
}

impl ChangeInside {
    /// Changes the mount at `target`; EINVAL when nothing is mounted there.
    pub fn new(target: Inside, change: Change) -> Self {
        Self { target, change }
    }
}

impl Step for ChangeInside {
    fn run(&self) -> Done {
        match self.change.is_empty() {
            true => Ok(()),
            false => Tree::from(self.target.open()?).change_attached(&self.change),
        }
    }

    fn explain(&self) -> Explanation {
        let call = self.change.to_string().replacen('(', &format!("(\"{}\", ", self.target), 1);
        Explanation::new(call, "config.json changes what is mounted there", "2 mount_setattr")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        rootfs::change_advice(errno)
    }
}
