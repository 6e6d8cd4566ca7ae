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

/// Copies the content of a directory into another, empty one: directories, files, links, fifos and
/// device nodes (those that may be made), with permissions, owners and times.
///
/// # Errors
/// As the calls it takes; ELOOP for directories deeper than 256.
pub(crate) fn copy_up(from: impl AsFd, to: impl AsFd) -> Done {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let from = openat(from, c".", flags, Mode::empty())?;
    directory(&from, &openat(to, c".", flags, Mode::empty())?, DEPTH_MAX)
}

/// The same, with permissions, owner and times of the directory itself.
///
/// # Errors
/// As [`copy_up`].
pub(crate) fn copy_whole(from: impl AsFd, to: &OwnedFd) -> Done {
    copy_up(&from, to)?;
    like(to, c".", &fstat(from)?)
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

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    };

    use super::*;

    fn directories(name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let root = std::env::temp_dir().join(format!("lab-06-{}-{name}", std::process::id()));
        let (from, to) = (root.join("from"), root.join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        (from, to)
    }

    fn copied(from: &std::path::Path, to: &std::path::Path) -> Done {
        copy_whole(fs::File::open(from).unwrap(), &fs::File::open(to).unwrap().into())
    }

    #[test]
    fn a_copy_is_like_what_it_is_a_copy_of() {
        let (from, to) = directories("copy");
        fs::create_dir_all(from.join("deep/er")).unwrap();
        // More than one sendfile(2), and more names than one getdents64(2) brings.
        fs::write(from.join("deep/er/file"), vec![7; 3 << 20]).unwrap();
        (0..500).for_each(|n| fs::write(from.join(format!("name-{n:060}")), "").unwrap());
        fs::set_permissions(from.join("deep"), PermissionsExt::from_mode(0o1751)).unwrap();
        symlink("/etc/shadow", from.join("link")).unwrap();
        let result = copied(&from, &to);
        let same = |name: &str| {
            let look = |root: &std::path::Path| {
                let it = fs::symlink_metadata(root.join(name)).unwrap();
                (it.mode(), it.uid(), it.gid(), it.mtime(), it.mtime_nsec())
            };
            look(&from) == look(&to)
        };
        assert!(["", "deep", "deep/er", "deep/er/file", "link"].into_iter().all(same));
        assert_eq!(fs::read(to.join("deep/er/file")).unwrap().len(), 3 << 20);
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/etc/shadow"));
        assert_eq!(fs::read_dir(&to).unwrap().count(), 502);
        fs::remove_dir_all(from.parent().unwrap()).unwrap();
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn a_well_has_a_bottom() {
        let (from, to) = directories("deep");
        fs::create_dir_all(from.join("d/".repeat(DEPTH_MAX))).unwrap();
        let result = copied(&from, &to);
        fs::remove_dir_all(from.parent().unwrap()).unwrap();
        assert_eq!(result, Err(Errno::ELOOP));
    }
}
