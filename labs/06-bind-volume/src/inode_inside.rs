//! Directories, links and device nodes at paths inside.

use std::{
    ffi::{CStr, CString},
    os::fd::OwnedFd,
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{Mode, SFlag, fstat, makedev, mknodat},
    unistd::{Gid, Uid, fchownat, symlinkat},
};
use rootfs::{NodeKind, c_path};

use crate::{Inside, Wanted};

type Done = std::result::Result<(), Errno>;

/// A directory inside, with those above it.
#[derive(Debug)]
pub struct DirectoryInside {
    target: Inside,
    why: &'static str,
}

impl DirectoryInside {
    /// Makes `target` where it is missing.
    pub fn new(target: Inside, why: &'static str) -> Self {
        Self { target, why }
    }
}

impl Step for DirectoryInside {
    fn run(&self) -> Done {
        match self.target.make(Wanted::Directory) {
            // A read-only root without it: whoever goes there will be told in its own words.
            Err(Errno::EROFS) => Ok(()),
            made => made.map(drop),
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(format!("mkdir(\"{}\", 0755)", self.target), self.why, "2 mkdir")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        made_inside(errno)
    }
}

/// What making something at a path inside means by an errno.
pub(crate) fn made_inside(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EACCES => {
            "a directory on the way is not ours to write: give the root file system to this user, \
             or run it as root"
        }
        Errno::EEXIST | Errno::ENOTDIR => {
            "something else than a directory is in the way: remove it from the root file system"
        }
        Errno::ENOENT => {
            "a symbolic link on the way leads nowhere: mend it in the root file system"
        }
        Errno::EPERM => "this file system does not take such a file: choose another place",
        Errno::EROFS => {
            "the root file system cannot be written: make it there first, or mount a tmpfs on it"
        }
        Errno::EXDEV => {
            "the path leads into a procfs, which programs trust: choose another, or mount a procfs"
        }
        Errno::EAGAIN => "somebody renames directories on the way: stop that, and try again",
        Errno::ENOSYS => "openat2(2) needs Linux 5.6, and a seccomp filter that knows it: uname -r",
        _ => return None,
    })
}

/// A name in a directory inside.
#[derive(Debug, Clone)]
struct Name {
    parent: Inside,
    name: CString,
}

impl Name {
    /// # Errors
    /// A path that ends in no name.
    fn new(path: &str) -> Result<Self> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return Err(Error::new(format!("cannot make {path:?}"))
                .why("the path does not end in the name of a file")
                .see("7 path_resolution"));
        }
        Ok(Self { parent: Inside::here(parent)?, name: c_path(name)? })
    }

    fn directory(&self) -> std::result::Result<OwnedFd, Errno> {
        self.parent.make(Wanted::Directory)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parent = self.parent.to_string();
        write!(f, "{}/{}", parent.trim_end_matches('/'), self.name.to_string_lossy())
    }
}

/// A symbolic link inside; what has the name already stays.
#[derive(Debug)]
pub struct LinkInside {
    at: Name,
    target: CString,
    why: &'static str,
}

impl LinkInside {
    /// A link at `path`, as the process sees it whose root is the working directory, that reads
    /// `target`.
    ///
    /// # Errors
    /// A NUL byte, or a path that ends in no name.
    pub fn here(path: &str, target: &str, why: &'static str) -> Result<Self> {
        Ok(Self { at: Name::new(path)?, target: c_path(target)?, why })
    }
}

impl Step for LinkInside {
    fn run(&self) -> Done {
        match symlinkat(self.target.as_c_str(), self.at.directory()?, self.at.name.as_c_str()) {
            Err(Errno::EEXIST) => Ok(()),
            made => made,
        }
    }

    fn explain(&self) -> Explanation {
        let call = format!("symlink({:?}, \"{}\")", self.target.to_string_lossy(), self.at);
        Explanation::new(call, self.why, "2 symlink")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        made_inside(errno)
    }
}

/// A device node inside, with its owner. A node that is there already stays if it is the same
/// device; another one is EEXIST.
#[derive(Debug)]
pub struct NodeInside {
    at: Name,
    kind: NodeKind,
    mode: u32,
    number: (u32, u32),
    owner: (u32, u32),
}

impl NodeInside {
    /// A node at `path`, as the process sees it whose root is the working directory; its permission
    /// bits are `mode` less the umask.
    ///
    /// # Errors
    /// A NUL byte, or a path that ends in no name.
    pub fn here(path: &str, kind: NodeKind, mode: u32, number: (u32, u32)) -> Result<Self> {
        Ok(Self { at: Name::new(path)?, kind, mode, number, owner: (0, 0) })
    }

    /// Given to this user and group.
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    fn is_there(&self, directory: &OwnedFd) -> std::result::Result<bool, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let stat = fstat(openat(directory, self.at.name.as_c_str(), flags, Mode::empty())?)?;
        let same_kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind(self.kind);
        Ok(same_kind && (self.kind == NodeKind::Fifo || stat.st_rdev == self.device()))
    }

    fn device(&self) -> nix::libc::dev_t {
        makedev(self.number.0.into(), self.number.1.into())
    }
}

fn kind(kind: NodeKind) -> SFlag {
    match kind {
        NodeKind::Char => SFlag::S_IFCHR,
        NodeKind::Block => SFlag::S_IFBLK,
        NodeKind::Fifo => SFlag::S_IFIFO,
    }
}

impl Step for NodeInside {
    fn run(&self) -> Done {
        let directory = self.at.directory()?;
        let (name, mode): (&CStr, _) = (&self.at.name, Mode::from_bits_truncate(self.mode));
        match mknodat(&directory, name, kind(self.kind), mode, self.device()) {
            Err(Errno::EEXIST) if self.is_there(&directory)? => return Ok(()),
            made => made?,
        }
        let (uid, gid) = self.owner;
        if (uid, gid) == (0, 0) {
            return Ok(());
        }
        // The link itself and not what it points at, should it be one by now.
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fchownat(&directory, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    fn explain(&self) -> Explanation {
        let ((major, minor), mode, at) = (self.number, self.mode, &self.at);
        let mut call = match self.kind {
            NodeKind::Char => {
                format!("mknod(\"{at}\", S_IFCHR|{mode:04o}, makedev({major:#x}, {minor:#x}))")
            }
            NodeKind::Block => {
                format!("mknod(\"{at}\", S_IFBLK|{mode:04o}, makedev({major:#x}, {minor:#x}))")
            }
            NodeKind::Fifo => format!("mknod(\"{at}\", S_IFIFO|{mode:04o})"),
        };
        if self.owner != (0, 0) {
            call += &format!("; lchown(\"{at}\", {}, {})", self.owner.0, self.owner.1);
        }
        Explanation::new(call, "a device is its number; the name in /dev is convention", "2 mknod")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        Some(match errno {
            Errno::EEXIST => {
                "something else has this name in the image: remove it, or name another path in \
                 linux.devices"
            }
            Errno::EPERM => {
                "device nodes need CAP_MKNOD in the initial user namespace: in another one they \
                 are bound from the host"
            }
            Errno::EROFS => "the root file system cannot be written: mount a tmpfs on /dev",
            Errno::EINVAL => "its owner has no map in this user namespace: cat /proc/self/uid_map",
            errno => return made_inside(errno),
        })
    }
}
