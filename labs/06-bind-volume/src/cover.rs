//! Covers: what lies at a path inside is hidden, or can no longer be written.
//!
//! Both are mounts *over* something, so they come after all others. What a file is covered with is
//! looked at before it is used: covering `/proc/kcore` with whatever an image calls `/dev/null`
//! would show what the image likes (CVE-2025-31133).

use std::{cell::OnceCell, os::fd::OwnedFd, rc::Rc};

use ground::{Errno, Explanation, Step};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::{Mode, SFlag, fstat, major, minor},
};
use rootfs::{Change, FileSystem, Reach, Tree};

use crate::Inside;

type Done = std::result::Result<(), Errno>;

/// What exists, opened; `None` when there is nothing to protect.
fn open_if_there(target: &Inside) -> std::result::Result<Option<OwnedFd>, Errno> {
    match target.open() {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What paths are covered with, made when the first one needs it.
#[derive(Debug)]
pub struct Cover {
    null: OnceCell<OwnedFd>,
    empty: OnceCell<Tree>,
    file_system: FileSystem,
}

impl Cover {
    /// A file is covered by the host's /dev/null, a directory by an empty, read-only tmpfs, with
    /// these parameters besides.
    pub fn new(file_system: FileSystem) -> Rc<Self> {
        // Two, because some kernels of Ubuntu 20.04 refuse one.
        let file_system = file_system
            .parameter(c"nr_blocks", Some(c"1".to_owned()))
            .parameter(c"nr_inodes", Some(c"2".to_owned()))
            .attributes(libc::MOUNT_ATTR_RDONLY);
        Rc::new(Self { null: OnceCell::new(), empty: OnceCell::new(), file_system })
    }

    fn file(&self, target: &OwnedFd) -> Done {
        let null = match self.null.get() {
            Some(null) => null,
            None => {
                let opened = open(c"/dev/null", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
                is_null(&opened)?;
                self.null.get_or_init(|| opened)
            }
        };
        Tree::copy_of(null, Reach::One)?.attach(target)
    }

    /// The first one is made, the others are copies of it: one superblock for all.
    fn directory(&self, target: &OwnedFd) -> Done {
        if let Some(empty) = self.empty.get() {
            return Tree::copy_of(empty, Reach::One)?.attach(target);
        }
        let empty = self.file_system.mount()?;
        empty.attach(target)?;
        // Nobody has set it since it was asked for above.
        let _ = self.empty.set(empty);
        Ok(())
    }
}

/// ENODEV unless it is the character device 1:3.
fn is_null(file: &OwnedFd) -> Done {
    let stat = fstat(file)?;
    let device = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
    let number = (major(stat.st_rdev), minor(stat.st_rdev));
    if device && number == (1, 3) { Ok(()) } else { Err(Errno::ENODEV) }
}

/// Hides a path; one that does not exist needs no hiding.
#[derive(Debug)]
pub struct MaskInside {
    target: Inside,
    cover: Rc<Cover>,
}

impl MaskInside {
    /// Hides `target` under `cover`.
    pub fn new(target: Inside, cover: &Rc<Cover>) -> Self {
        Self { target, cover: Rc::clone(cover) }
    }
}

impl Step for MaskInside {
    fn run(&self) -> Done {
        let Some(target) = open_if_there(&self.target)? else { return Ok(()) };
        match SFlag::from_bits_truncate(fstat(&target)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => self.cover.directory(&target),
            _ => self.cover.file(&target),
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("move_mount(\"/dev/null\" or an empty tmpfs, \"{}\")", self.target),
            "linux.maskedPaths: it shows the host",
            "2 move_mount",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ENODEV => Some("/dev/null of this machine is not the device 1:3: mend it"),
            errno => rootfs::mount_advice(None, errno),
        }
    }
}

/// Makes a path and all that is mounted below it read-only: a copy of it, changed before it is
/// attached over it.
#[derive(Debug)]
pub struct ReadOnlyInside {
    target: Inside,
}

impl ReadOnlyInside {
    /// `target` can no longer be written; one that does not exist need not be kept from it.
    pub fn new(target: Inside) -> Self {
        Self { target }
    }

    /// Before Linux 5.12 nothing that is nowhere can be changed: for the time of one call the
    /// container's own set-up, which is all that runs in it, could still write.
    fn the_old_way(tree: &Tree, target: &OwnedFd) -> Done {
        tree.attach(target)?;
        tree.change_by_remount(&Change::set(libc::MOUNT_ATTR_RDONLY, Reach::One))
    }
}

impl Step for ReadOnlyInside {
    fn run(&self) -> Done {
        let Some(target) = open_if_there(&self.target)? else { return Ok(()) };
        let tree = Tree::copy_of(&target, Reach::All)?;
        match tree.change(&Change::set(libc::MOUNT_ATTR_RDONLY, Reach::All)) {
            Ok(()) => tree.attach(target),
            Err(Errno::ENOSYS) => Self::the_old_way(&tree, &target),
            Err(errno) => Err(errno),
        }
    }

    fn explain(&self) -> Explanation {
        let target = &self.target;
        Explanation::new(
            format!(
                "open_tree(\"{target}\", OPEN_TREE_CLONE|AT_RECURSIVE); {}; move_mount(.., \"{target}\")",
                Change::set(libc::MOUNT_ATTR_RDONLY, Reach::All)
            ),
            "linux.readonlyPaths: writing there changes the host",
            "2 mount_setattr",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        rootfs::mount_advice(None, errno)
    }
}
