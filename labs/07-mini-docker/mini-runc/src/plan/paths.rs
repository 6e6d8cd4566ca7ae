//! Masked and read-only paths: the parts of /proc and /sys that show or change the host.
//!
//! A path that does not exist here needs no hiding. Both are mounts *over* something, so they come
//! after all others; and they keep the flags of what they cover, or they would weaken it.
//!
//! Source: runtime specification, config-linux.md, "Masked Paths", "Readonly Paths".

use std::{
    ffi::CStr,
    os::fd::{AsFd, OwnedFd},
};

use ground::{Errno, Explanation, Result, Step};
use nix::{
    mount::mount,
    sys::{
        stat::{SFlag, fstat},
        statvfs::{FsFlags, fstatvfs},
    },
};
use rootfs::{Mount, MsFlags, c_path};

use super::{
    Context, ROOTFS, Steps,
    target::{Slot, Target, Wanted},
};

type Done = std::result::Result<(), Errno>;

/// # Errors
/// A path with a NUL byte.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    for path in &context.linux.readonly_paths {
        steps.add("lab-06", ReadOnly::new(Target::new(path)?, context.slot)?);
    }
    for path in &context.linux.masked_paths {
        steps.add("lab-06", Mask::new(Target::new(path)?, context.slot)?);
    }
    Ok(())
}

/// What exists, opened; `None` when there is nothing to protect.
fn open(target: &Target) -> std::result::Result<Option<OwnedFd>, Errno> {
    match target.open(Wanted::Existing) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Covers a path: a file by /dev/null, a directory by an empty read-only tmpfs.
#[derive(Debug)]
struct Mask {
    target: Target,
    slot: Slot,
    as_file: Mount,
    as_directory: Mount,
}

impl Mask {
    fn new(target: Target, slot: Slot) -> Result<Self> {
        let path = c_path(slot.path())?;
        Ok(Self {
            target,
            slot,
            // The host's /dev/null: an image may have put something else at its own.
            as_file: Mount::bind(c"/dev/null", path.clone()),
            as_directory: Mount::filesystem(
                c"tmpfs",
                c"tmpfs",
                path,
                MsFlags::MS_RDONLY,
                c"size=0k,nr_inodes=2",
            ),
        })
    }
}

impl Step for Mask {
    fn run(&self) -> Done {
        let Some(fd) = open(&self.target)? else { return Ok(()) };
        let kind = SFlag::from_bits_truncate(fstat(&fd)?.st_mode) & SFlag::S_IFMT;
        self.slot.fill(fd)?;
        match kind {
            SFlag::S_IFDIR => self.as_directory.run(),
            _ => self.as_file.run(),
        }
    }

    fn explain(&self) -> Explanation {
        let path = format!("{ROOTFS}{}", self.target.inside());
        Explanation::new(
            format!("mount(\"/dev/null\" or an empty tmpfs, {path:?}, .., MS_BIND or MS_RDONLY)"),
            "linux.maskedPaths: it shows the host",
            "2 mount",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        self.as_file.fix(errno)
    }
}

/// Binds a path on itself, read-only.
#[derive(Debug)]
struct ReadOnly {
    target: Target,
    slot: Slot,
    on_itself: Mount,
    path: std::ffi::CString,
}

impl ReadOnly {
    fn new(target: Target, slot: Slot) -> Result<Self> {
        let path = c_path(slot.path())?;
        Ok(Self { target, slot, on_itself: Mount::rbind(path.clone(), path.clone()), path })
    }
}

impl Step for ReadOnly {
    fn run(&self) -> Done {
        let Some(fd) = open(&self.target)? else { return Ok(()) };
        self.slot.fill(fd)?;
        self.on_itself.run()?;
        // Opened again: the descriptor from before is what lies *under* the new mount.
        let Some(fd) = open(&self.target)? else { return Err(Errno::ENOENT) };
        let kept = kept_flags(&fd)?;
        self.slot.fill(fd)?;
        let none = None::<&CStr>;
        let flags = kept | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, self.path.as_c_str(), none, flags, none)
    }

    fn explain(&self) -> Explanation {
        let path = format!("{ROOTFS}{}", self.target.inside());
        Explanation::new(
            format!(
                "mount({path:?}, {path:?}, NULL, MS_BIND|MS_REC, NULL); mount(NULL, {path:?}, NULL, MS_REMOUNT|MS_BIND|MS_RDONLY|.., NULL)"
            ),
            "linux.readonlyPaths: writing there changes the host",
            "2 mount",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        self.on_itself.fix(errno)
    }
}

/// The flags that a remount would take away if they were not named again.
fn kept_flags(fd: impl AsFd) -> std::result::Result<MsFlags, Errno> {
    let seen = fstatvfs(fd)?.flags();
    Ok(KEPT
        .into_iter()
        .filter(|(it, _)| seen.contains(*it))
        .fold(MsFlags::empty(), |all, (_, it)| all | it))
}

/// What statvfs(3) calls the flags of mount(2).
pub(super) const KEPT: [(FsFlags, MsFlags); 6] = [
    (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
    (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
    (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
    (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
];

/// A directory inside, with those above it.
#[derive(Debug)]
pub(super) struct MakeDirectory(pub(super) Target);

impl Step for MakeDirectory {
    fn run(&self) -> Done {
        match self.0.open(Wanted::Directory) {
            // A read-only root without it: chdir(2) will say so in its own words.
            Err(Errno::EROFS) => Ok(()),
            opened => opened.map(drop),
        }
    }

    fn explain(&self) -> Explanation {
        let path = format!("{ROOTFS}{}", self.0.inside());
        let why = "process.cwd is made where the image does not have it";
        Explanation::new(format!("mkdir({path:?}, 0755)"), why, "2 mkdir")
    }
}
