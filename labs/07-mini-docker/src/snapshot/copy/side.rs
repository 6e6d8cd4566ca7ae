//! A side of a copy: a directory that counts as `/`, and how its paths are told to a person.

use std::{
    ffi::{OsStr, OsString},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{OFlag, open, readlink, readlinkat},
    sys::stat::{FileStat, Mode, SFlag, fstat},
};
use volumes::{Inside, Wanted};

use super::place::{Named, Unfit};

/// How often a link is followed before it is called a circle, as the kernel does.
const LINKS_MAX: usize = 40;

/// A root.
#[derive(Debug)]
pub struct Side {
    root: OwnedFd,
    /// The container's name; none on the host.
    container: Option<String>,
}

/// A file that was found.
#[derive(Debug)]
pub struct Found {
    /// The directory that it is in.
    pub parent: OwnedFd,
    /// Its name there; none for a root.
    pub last: Option<OsString>,
    /// Its path from the root.
    pub path: PathBuf,
    stat: FileStat,
}

impl Found {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        SFlag::from_bits_truncate(self.stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
    }

    /// The name that a copy gets where none is given: the last one that was written, even where a
    /// link by that name was followed.
    pub fn name(&self, named: &Named) -> Result<OsString> {
        let written = named.path.file_name().map(OsStr::to_owned);
        Ok(written.or_else(|| self.last.clone()).unwrap_or_else(|| OsString::from("root")))
    }
}

impl Side {
    /// The files of a container, below its root.
    pub fn container(root: OwnedFd, name: &str) -> Self {
        Self { root, container: Some(name.to_owned()) }
    }

    /// The files of the host.
    ///
    /// # Errors
    /// As open(2).
    pub fn host() -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open("/", flags, Mode::empty())
            .map_err(|errno| Error::new("cannot copy files").call("open(\"/\", O_PATH)", errno))?;
        Ok(Self { root, container: None })
    }

    /// Whether it is a container's.
    pub fn is_container(&self) -> bool {
        self.container.is_some()
    }

    /// A path of this side, for the kernel.
    pub fn inside(&self, path: &Path) -> Result<Inside> {
        Inside::new(Path::new(&format!("/proc/self/fd/{}", self.root.as_raw_fd())), path)
    }

    /// A path of this side in words.
    pub fn shown(&self, path: &Path) -> String {
        match &self.container {
            Some(name) => format!("{name}:{}", path.display()),
            None => path.display().to_string(),
        }
    }

    /// What is at a path, if anything.
    ///
    /// # Errors
    /// As openat2(2) and fstat(2), but for ENOENT and ENOTDIR.
    pub fn find(&self, path: &Path, follow: bool) -> Result<Option<Found>> {
        let failed = |errno| self.cannot(path, errno);
        let no_follow = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let file = match self.inside(path)?.open_as(OFlag::O_PATH | no_follow) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            file => file.map_err(failed)?,
        };
        let stat = fstat(&file).map_err(failed)?;
        // Where links were followed, the place is another than the one that was written.
        let path =
            if follow { self.real(&file).unwrap_or_else(|| path.into()) } else { path.into() };
        let last = path.file_name().map(OsStr::to_owned);
        let above = if last.is_some() { path.parent() } else { Some(path.as_path()) };
        let parent = self.inside(above.unwrap_or(Path::new("/")))?.open().map_err(failed)?;
        let path = path.strip_prefix("/").map_or(path.clone(), Path::to_owned);
        Ok(Some(Found { parent, last, path, stat }))
    }

    /// The path of an open file below the root, if it is there.
    fn real(&self, file: &OwnedFd) -> Option<PathBuf> {
        let path = |fd: i32| readlink(format!("/proc/self/fd/{fd}").as_str()).map(PathBuf::from);
        let (root, file) = (path(self.root.as_raw_fd()).ok()?, path(file.as_raw_fd()).ok()?);
        let below = file.strip_prefix(&root).ok()?;
        Some(Path::new("/").join(below))
    }

    /// What is at a path, which must be there.
    ///
    /// # Errors
    /// When it is not, or is no directory although a slash says so.
    pub fn need(&self, named: &Named, follow: bool) -> Result<Found> {
        let found =
            self.find(&named.path, follow || named.slash)?.ok_or_else(|| self.missing(named))?;
        if named.slash && !found.is_dir() {
            return Err(Error::new(format!("{} is not a directory", self.shown(&named.path)))
                .why("a slash at the end of a path means a directory")
                .fix("leave the slash out")
                .exit_code(1));
        }
        Ok(found)
    }

    /// The directory that something is to be made in, which must be there.
    pub fn need_directory(&self, dir: &Path) -> Result<()> {
        match self.find(dir, true)?.is_some_and(|found| found.is_dir()) {
            true => Ok(()),
            false => Err(self.missing(&Named { path: dir.into(), slash: true, contents: false })),
        }
    }

    /// The path that a target really means: through links, also such that lead to nothing yet, so
    /// that a file is made where they lead and the link stays.
    pub fn settle(&self, named: &Named) -> Result<Named> {
        let mut path = named.path.clone();
        for _ in 0..LINKS_MAX {
            let failed = |errno| self.cannot(&path, errno);
            let file = match self.inside(&path)?.open_as(OFlag::O_PATH | OFlag::O_NOFOLLOW) {
                Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Named { path, ..named.clone() }),
                file => file.map_err(failed)?,
            };
            let stat = fstat(&file).map_err(failed)?;
            if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFLNK {
                return Ok(Named { path, ..named.clone() });
            }
            let target = readlinkat(file.as_fd(), "").map_err(failed)?;
            // An absolute target replaces the path: it starts at this root.
            path = path.parent().unwrap_or(Path::new("/")).join(target);
        }
        Err(self.cannot(&named.path, Errno::ELOOP))
    }

    /// Opens a directory, with all that is missing of it made.
    pub fn directory(&self, path: &Path) -> std::result::Result<OwnedFd, Errno> {
        let inside = self.inside(path).map_err(|_| Errno::ENAMETOOLONG)?;
        inside.make(Wanted::Directory)
    }

    fn missing(&self, named: &Named) -> Error {
        let path = named.path.display();
        let report = match &self.container {
            Some(name) => Error::new(format!("Could not find the file {path} in container {name}"))
                .why("No such container:path, and what is made needs a directory to be made in")
                .fix(format!("mini-docker exec {name} ls shows what is there")),
            None => Error::new(format!("{path}: no such file or directory"))
                .why("neither a file nor a directory of the host is called like that")
                .fix("a path of a container is written CONTAINER:PATH"),
        };
        report.exit_code(1)
    }

    /// The report for a target that does not fit its source.
    pub fn does_not_fit(&self, target: &Named, why: Unfit) -> Error {
        let shown = self.shown(&target.path);
        let report = match why {
            Unfit::NoSuchDirectory => Error::new(format!("no such directory: {shown}"))
                .why("a slash at the end means a directory, and there is none")
                .fix("make the directory first, or leave the slash out"),
            Unfit::CannotCopyDirectory => Error::new(format!("cannot copy directory to {shown}"))
                .why("a file is there, and a directory does not take its place")
                .fix("name another place, or remove the file first"),
        };
        report.exit_code(1)
    }

    /// The report for an archive that has nowhere to go.
    pub fn no_directory(&self, target: &Named) -> Error {
        Error::new(format!("destination \"{}\" must be a directory", self.shown(&target.path)))
            .why("an archive has names of its own, and needs a directory that they go into")
            .fix("make the directory first, or name the one above it")
            .exit_code(1)
    }

    /// The report for whatever the kernel refuses.
    pub fn cannot(&self, path: &Path, errno: Errno) -> Error {
        let error = Error::new(format!("cannot copy {}", self.shown(path))).call("openat2", errno);
        let error = match errno {
            Errno::ENOSPC | Errno::EDQUOT => error.fix("free some space; what was copied stays"),
            Errno::EROFS => error.fix("it is read-only there: copy to a volume, or elsewhere"),
            Errno::ELOOP => error.fix("a link there leads in a circle"),
            Errno::EACCES | Errno::EPERM => error.fix("run as the owner of the files, or as root"),
            _ => error,
        };
        error.exit_code(1)
    }
}
