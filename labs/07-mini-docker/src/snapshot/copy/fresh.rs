//! A fresh file: written where nobody sees it, and then put in its place in one step.
//!
//! A file of no name (O_TMPFILE, man 2 open) goes with whoever writes it, also by SIGKILL. It gets its
//! name by linkat(2), which takes nobody else's; where somebody has the name, it gets one of ours for
//! a moment, and rename(2) puts it in the other's place. File systems without O_TMPFILE have that
//! name from the beginning. Of a writer that is killed then, a file stays that nobody has locked
//! (man 2 flock): the next copy to that directory takes it away ([`sweep`]), and so does
//! `system check --repair` ([`sweep_below`]).

use std::{
    ffi::{CStr, OsStr, OsString},
    fs::File,
    io::Read,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use ground::Errno;
use nix::{
    dir::{Dir, Type},
    fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat},
    sys::stat::Mode,
    unistd::{UnlinkatFlags, linkat, unlinkat},
};

/// What our names begin with; 16 hexadecimal digits come after it.
const OURS: &str = ".mini-docker-";
const DIGITS: usize = 16;

/// How often another writer may take the name of ours for a dead one's.
const TRIES: usize = 8;

/// A file that is not in its place yet.
pub(super) struct Fresh<'a> {
    /// The directory that it is going to be in.
    parent: BorrowedFd<'a>,
    file: File,
    /// Its name, if it has one.
    name: Option<OsString>,
}

impl<'a> Fresh<'a> {
    /// An empty file for a directory.
    ///
    /// # Errors
    /// As open(2).
    pub(super) fn create(parent: BorrowedFd<'a>) -> Result<Self, Errno> {
        let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        match openat(parent, c".", flags, owner_only()) {
            Ok(file) => Ok(Self { parent, file: file.into(), name: None }),
            // ENOENT: the directory is removed already, and a name has no better luck.
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT) => Self::with_name(parent),
            Err(errno) => Err(errno),
        }
    }

    fn with_name(parent: BorrowedFd<'a>) -> Result<Self, Errno> {
        sweep(parent);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        for _ in 0..TRIES {
            let name = fresh_name()?;
            let file = openat(parent, name.as_os_str(), flags | OFlag::O_CLOEXEC, owner_only());
            let file = File::from(file?);
            // Without a lock for this moment it counts as left behind.
            if file.try_lock().is_ok() && is_there(parent, &name) {
                return Ok(Self { parent, file, name: Some(name) });
            }
        }
        Err(Errno::EAGAIN)
    }

    /// The file, to be written.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it in its place, where it takes that of another file.
    ///
    /// # Errors
    /// As linkat(2) and rename(2): EISDIR where a directory is.
    pub(super) fn put(mut self, place: &OsStr) -> Result<(), Errno> {
        if self.name.is_none() {
            match self.link(place) {
                Err(Errno::EEXIST) => {}
                linked => return linked,
            }
            sweep(self.parent);
            self.file.try_lock().map_err(|_| Errno::EAGAIN)?;
            let name = fresh_name()?;
            self.link(&name)?;
            self.name = Some(name);
        }
        let name = self.name.as_deref().unwrap_or(place);
        renameat(self.parent, name, self.parent, place)?;
        self.name = None;
        Ok(())
    }

    /// Gives it a name that is free.
    fn link(&self, name: &OsStr) -> Result<(), Errno> {
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        linkat(AT_FDCWD, file.as_str(), self.parent, name, AtFlags::AT_SYMLINK_FOLLOW)
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = unlinkat(self.parent, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn owner_only() -> Mode {
    Mode::S_IRUSR | Mode::S_IWUSR
}

fn is_there(parent: BorrowedFd<'_>, name: &OsStr) -> bool {
    nix::sys::stat::fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
}

/// A name that nobody has: a number of a process comes again.
fn fresh_name() -> Result<OsString, Errno> {
    let mut bytes = [0; DIGITS / 2];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{OURS}{digits}").into())
}

fn is_ours(name: &CStr) -> bool {
    let digits = name.to_bytes().strip_prefix(OURS.as_bytes());
    digits.is_some_and(|it| it.len() == DIGITS && it.iter().all(u8::is_ascii_hexdigit))
}

/// Takes away what killed writers have left in a directory. What cannot be taken away stays.
fn sweep(parent: BorrowedFd<'_>) {
    for (name, _) in entries(parent).unwrap_or_default() {
        if is_left(parent, &name) {
            let _ = unlinkat(parent, name.as_c_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Whether it is a file of ours that nobody writes.
fn is_left(parent: BorrowedFd<'_>, name: &CStr) -> bool {
    // Somebody else's may be a pipe, which would wait for a writer.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let open = || openat(parent, name, flags, Mode::empty()).map(File::from).ok();
    is_ours(name)
        && open().is_some_and(|file| {
            file.metadata().is_ok_and(|it| it.is_file()) && file.try_lock().is_ok()
        })
}

/// What killed writers have left below a directory, by path; with `remove` it is taken away. Other
/// file systems that are mounted in it are left alone, and so is what cannot be read.
///
/// # Errors
/// When the directory itself cannot be read.
pub fn sweep_below(top: &Path, remove: bool) -> Result<Vec<PathBuf>, Errno> {
    let mut left = Vec::new();
    let mut open = vec![(PathBuf::new(), directory(AT_FDCWD, top.as_os_str())?)];
    while let Some((path, dir)) = open.pop() {
        for (name, kind) in entries(dir.as_fd()).unwrap_or_default() {
            let below = path.join(OsStr::from_bytes(name.to_bytes()));
            if kind == Some(Type::Directory) {
                let name = OsStr::from_bytes(name.to_bytes());
                open.extend(directory(dir.as_fd(), name).ok().map(|dir| (below, dir)));
            } else if is_left(dir.as_fd(), &name) {
                if remove {
                    unlinkat(dir.as_fd(), name.as_c_str(), UnlinkatFlags::NoRemoveDir)?;
                }
                left.push(top.join(below));
            }
        }
    }
    left.sort();
    Ok(left)
}

fn directory(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// What is in a directory.
fn entries(parent: BorrowedFd<'_>) -> Result<Vec<(std::ffi::CString, Option<Type>)>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Opened anew: one that is open for its path alone has no entries.
    let mut dir = Dir::openat(parent, c".", flags, Mode::empty())?;
    let named = dir.iter().filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().to_owned();
        (name.as_c_str() != c"." && name.as_c_str() != c"..").then(|| (name, entry.file_type()))
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// As on a file system with O_TMPFILE, and as on one without.
    #[track_caller]
    fn check(create: for<'a> fn(BorrowedFd<'a>) -> Result<Fresh<'a>, Errno>, seen: usize) {
        let dir = tempfile::tempdir().unwrap();
        let parent = directory(AT_FDCWD, dir.path().as_os_str()).unwrap();
        for text in ["first", "second"] {
            let mut fresh = create(parent.as_fd()).unwrap();
            fresh.file().write_all(text.as_bytes()).unwrap();
            assert_eq!(names(dir.path()).len(), seen + usize::from(text == "second"));
            fresh.put("name".as_ref()).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("name")).unwrap(), text);
            assert_eq!(names(dir.path()), ["name"]);
        }
        drop(create(parent.as_fd()).unwrap());
        fs::create_dir(dir.path().join("dir")).unwrap();
        let refused = create(parent.as_fd()).unwrap().put("dir".as_ref());
        assert_eq!(refused, Err(Errno::EISDIR));
        assert_eq!(names(dir.path()), ["dir", "name"]);
    }

    #[test]
    fn a_file_without_a_name_is_put_in_its_place() {
        check(|parent| Fresh::create(parent), 0);
    }

    #[test]
    fn a_file_with_a_name_of_ours_is_put_in_its_place() {
        check(|parent| Fresh::with_name(parent), 1);
    }

    #[test]
    fn what_a_killed_writer_has_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let (left, written) = (".mini-docker-0123456789abcdef", ".mini-docker-fedcba9876543210");
        let others = [".mini-docker-4242", ".mini-docker-0123456789abcdeg", "file"];
        for name in others.iter().chain([&left, &written]) {
            File::create(dir.path().join("sub").join(name)).unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/loop")).unwrap();
        let writer = File::open(dir.path().join("sub").join(written)).unwrap();
        writer.lock().unwrap();
        let found = [dir.path().join("sub").join(left)];
        assert_eq!(sweep_below(dir.path(), false).unwrap(), found);
        assert_eq!(sweep_below(dir.path(), true).unwrap(), found);
        assert_eq!(sweep_below(dir.path(), true).unwrap(), [""; 0].map(PathBuf::from));
        let stay = [others[1], others[0], written, others[2], "loop"];
        assert_eq!(names(&dir.path().join("sub")), stay);
    }
}
