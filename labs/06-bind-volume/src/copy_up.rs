//! Copying a directory's content without a name ever leading elsewhere, and without allocating.
//!
//! Every name is opened from its directory's descriptor with O_NOFOLLOW: a link is copied as a link
//! and never followed, whoever exchanges what meanwhile. A mount on the way is copied as what is
//! seen there. Source of the behaviour: mount option `tmpcopyup`, as in runc and crun.

use std::{
    ffi::CStr,
    os::fd::{AsFd, OwnedFd},
};

use ground::Errno;
use nix::{
    fcntl::{AT_FDCWD, AtFlags, OFlag, openat},
    sys::{
        sendfile::sendfile,
        stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, fstatat, mkdirat, mknodat},
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchownat, symlinkat},
};
use rootfs::FdPath;

use crate::sys;

type Done = Result<(), Errno>;

/// How deep directories may lie in each other: each level takes a few kilobytes of stack.
const DEPTH_MAX: usize = 256;

/// What one getdents64(2) brings.
const NAMES: usize = 4096;

/// Copies one directory into another, empty one: directories, files, links, fifos and device nodes
/// (those that may be made), with permissions, owners and times, also of the directory itself.
///
/// # Errors
/// As the calls it takes; ELOOP for directories deeper than 256.
pub(crate) fn copy_up(from: impl AsFd, to: impl AsFd) -> Done {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let from = openat(from, c".", flags, Mode::empty())?;
    let to = openat(to, c".", flags, Mode::empty())?;
    directory(&from, &to, DEPTH_MAX)?;
    like(&to, c".", &fstat(&from)?)
}

fn directory(from: &OwnedFd, to: &OwnedFd, depth: usize) -> Done {
    let depth = depth.checked_sub(1).ok_or(Errno::ELOOP)?;
    let mut names = [0; NAMES];
    loop {
        let length = sys::getdents64(from.as_fd(), &mut names)?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = &names[..length];
        while let Some((name, next)) = sys::first_name(rest) {
            if name != c"." && name != c".." {
                entry(from, to, name, depth)?;
            }
            rest = next;
        }
    }
}

fn entry(from: &OwnedFd, to: &OwnedFd, name: &CStr, depth: usize) -> Done {
    let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let mode = Mode::from_bits_truncate(stat.st_mode);
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => {
            mkdirat(to, name, Mode::S_IRWXU)?;
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let open = |parent| openat(parent, name, flags, Mode::empty());
            directory(&open(from)?, &open(to)?, depth)?;
        }
        SFlag::S_IFREG => file(from, to, name)?,
        SFlag::S_IFLNK => link(from, to, name)?,
        SFlag::S_IFSOCK => return Ok(()),
        kind => match mknodat(to, name, kind, mode, stat.st_rdev) {
            // A user namespace makes no nodes; without it the rest is still of use.
            Err(Errno::EPERM) => return Ok(()),
            made => made?,
        },
    }
    like(to, name, &stat)
}

fn file(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Done {
    // A fifo in its place would keep us waiting.
    let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let write = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let from = openat(from, name, read, Mode::empty())?;
    let to = openat(to, name, write, Mode::S_IRUSR | Mode::S_IWUSR)?;
    while sendfile(&to, &from, None, 1 << 20)? > 0 {}
    Ok(())
}

fn link(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Done {
    let mut target = [0; libc::PATH_MAX as usize];
    let last = target.len() - 1;
    sys::readlinkat(from.as_fd(), name, &mut target[..last])?;
    let target = CStr::from_bytes_until_nul(&target).map_err(|_| Errno::ENAMETOOLONG)?;
    symlinkat(target, to, name)
}

/// Owner, permissions and times, in this order: a change of owner takes set-user-ID away.
fn like(to: &OwnedFd, name: &CStr, stat: &nix::libc::stat) -> Done {
    let nofollow = AtFlags::AT_SYMLINK_NOFOLLOW;
    let (uid, gid) = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    match fchownat(to, name, uid, gid, nofollow) {
        // An owner who does not exist in this user namespace stays nobody: ours.
        Err(Errno::EINVAL | Errno::EPERM) => {}
        owned => owned?,
    }
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFLNK {
        let it =
            openat(to, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
        let mode = Mode::from_bits_truncate(stat.st_mode);
        fchmodat(AT_FDCWD, FdPath::of(&it).as_c_str(), mode, FchmodatFlags::FollowSymlink)?;
    }
    let accessed = TimeSpec::new(stat.st_atime, stat.st_atime_nsec);
    let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    sys::utimensat(to.as_fd(), name, [accessed, modified])
}
