//! Tree: takes a directory away with all that is in it, however deep that is.
//!
//! What a container wrote may be nested deeper than any path can say and deeper than we may have
//! files open. So we walk with a single descriptor: into a directory by openat(2), which follows no
//! link, and back by `..`, unlinking on the way (man 2 unlinkat).

use std::{ffi::CString, io, os::fd::AsFd, path::Path};

use ground::{Error, Result};
use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

/// Removes `path`, a file or a whole directory; fine when it is not there. No link is followed.
///
/// # Errors
/// As unlinkat(2), for the first entry that could not be removed.
pub fn remove(path: &Path) -> Result<()> {
    let cannot = |error: io::Error| {
        Error::new(format!("cannot remove {}", path.display()))
            .io("unlinkat", &error)
            .see("2 unlinkat")
            .fix("look for a mount in it or for a file of another owner: findmnt, ls -la")
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(error)),
        Ok(file) if !file.is_dir() => return std::fs::remove_file(path).map_err(cannot),
        Ok(_) => {}
    }
    empty(path).map_err(|errno| cannot(errno.into()))?;
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot(error)),
        _ => Ok(()),
    }
}

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

fn empty(path: &Path) -> Result<(), Errno> {
    let mut here = Dir::open(path, DIRECTORY, Mode::empty())?;
    // The names of the directories above `here`, up to and without `path`.
    let mut above: Vec<CString> = Vec::new();
    loop {
        match first_directory(&mut here)? {
            Some(name) => {
                here = enter(&here, &name)?;
                above.push(name);
            }
            None => {
                let Some(name) = above.pop() else { return Ok(()) };
                here = Dir::from_fd(openat(here.as_fd(), c"..", DIRECTORY, Mode::empty())?)?;
                unlinkat(here.as_fd(), name.as_c_str(), UnlinkatFlags::RemoveDir)?;
            }
        }
    }
}

/// Unlinks entries until one is a directory, and returns that. `None`: nothing is left.
fn first_directory(here: &mut Dir) -> Result<Option<CString>, Errno> {
    // Names first: what readdir(3) says of a directory that changes meanwhile is undefined.
    let mut files = Vec::new();
    let mut directory = None;
    for entry in here.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match entry.file_type() {
            Some(Type::Directory) => directory = Some(name.to_owned()),
            _ => files.push(name.to_owned()),
        }
        if directory.is_some() {
            break;
        }
    }
    for name in files {
        match unlinkat(here.as_fd(), name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
            // A file system that does not tell types in readdir(3).
            Err(Errno::EISDIR) => directory = Some(name),
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(directory)
}

fn enter(here: &Dir, name: &CString) -> Result<Dir, Errno> {
    match openat(here.as_fd(), name.as_c_str(), DIRECTORY, Mode::empty()) {
        // Its owner took the right to read it away from itself, as with `chmod 0`.
        Err(Errno::EACCES) => {
            let file = fstatat(here.as_fd(), name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
                return Err(Errno::EACCES);
            }
            fchmodat(here.as_fd(), name.as_c_str(), Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
            Dir::from_fd(openat(here.as_fd(), name.as_c_str(), DIRECTORY, Mode::empty())?)
        }
        opened => Dir::from_fd(opened?),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_tree_deeper_than_any_path_is_removed_and_no_link_is_followed() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("stays"), "").unwrap();
        let top = scratch.path().join("tree");
        fs::create_dir(&top).unwrap();
        symlink(scratch.path(), top.join("link")).unwrap();
        let mut here = Dir::open(&top, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..3000 {
            nix::sys::stat::mkdirat(here.as_fd(), c"d", Mode::S_IRWXU).unwrap();
            here = enter(&here, &c"d".to_owned()).unwrap();
        }
        remove(&top).unwrap();
        assert!(!top.exists());
        assert!(scratch.path().join("stays").exists());
        remove(&top).unwrap();
    }
}
