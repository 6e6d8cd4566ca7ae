//! Applying: each entry of an archive becomes a file below a directory of one side.
//!
//! Not as layers are unpacked (`unpack`): there are files already and other programs at work, a
//! name that begins with `.wh.` is a name, and a file never takes a directory's place.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{AtFlags, OFlag, openat},
    sys::{
        stat::{
            FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens,
            makedev, mkdirat, mknodat, utimensat,
        },
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchownat, linkat, symlinkat},
};
use tar::Archive;

use super::{Side, at::At};
use crate::{
    inflate::{self, Budget, Budgeted},
    snapshot::{
        Kept, Mapped, Ownership,
        ownership::Device,
        unpack::entry::{Entry, Kind},
    },
};

/// The most bytes of headers that one entry may have.
const HEADER_MAX: u64 = 1 << 20;

/// Who files belong to after they were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// To the one that the archive names.
    Named,
    /// To whoever copies.
    Ours,
    /// To this user and group.
    Is(u32, u32),
}

/// Where files are made.
pub struct Files<'a> {
    side: &'a Side,
    base: PathBuf,
    owner: Owner,
    mapped: Mapped,
}

impl<'a> Files<'a> {
    /// Files go into the directory `base` of a side.
    pub fn new(side: &'a Side, base: PathBuf, owner: Owner) -> Result<Self> {
        Ok(Self { side, base, owner, mapped: Mapped::here() })
    }

    /// Makes files of all entries. Returns what could not be set on them.
    pub fn apply_all(self, tar: impl Read) -> Result<Ownership> {
        let tar = inflate::reader(tar).map_err(|error| broken(&error))?;
        let budget: Budget = Rc::new(Cell::new(HEADER_MAX));
        let mut archive = Archive::new(Budgeted::new(tar, budget.clone()));
        let mut entries = archive.entries().map_err(|error| broken(&error))?;
        let mut work =
            Work { files: self, last: None, kept: Ownership::default(), times: Vec::new() };
        loop {
            budget.set(HEADER_MAX);
            let Some(entry) = entries.next() else { break };
            let mut tar = entry.map_err(|error| broken(&error))?;
            budget.set(u64::MAX);
            let entry = Entry::read(&mut tar)?;
            // The directory that all goes into is somebody's already.
            if !entry.path.as_os_str().is_empty() {
                work.apply(&entry, &mut tar)?;
            }
            io::copy(&mut tar, &mut io::sink()).map_err(|error| broken(&error))?;
        }
        Ok(work.finish())
    }
}

struct Work<'a> {
    files: Files<'a>,
    /// The directory of the entry before: archives list directories as wholes.
    last: Option<(PathBuf, Rc<OwnedFd>)>,
    kept: Ownership,
    // A directory's time changes with every entry in it, so times come last.
    times: Vec<(PathBuf, TimeSpec)>,
}

impl Work<'_> {
    fn apply<R: Read>(&mut self, entry: &Entry, content: &mut R) -> Result<()> {
        let whole = self.files.base.join(&entry.path);
        let at = self.at(&whole).map_err(|errno| self.files.side.cannot(&whole, errno))?;
        let failed = |errno| self.files.side.cannot(&at.path, errno);
        if entry.kind == Kind::Directory {
            return self.directory(entry, at);
        }
        if let Kind::File(_) = entry.kind {
            return self.file(entry, &at, content);
        }
        self.clear(&at)?;
        let name = at.name.as_os_str();
        let mode = Mode::from_bits_truncate(entry.mode);
        match &entry.kind {
            Kind::HardLink(target) => {
                let target = self.files.base.join(target);
                let from =
                    self.at(&target).map_err(|errno| self.files.side.cannot(&target, errno))?;
                // Without AT_SYMLINK_FOLLOW: a link to a link is a link.
                return linkat(
                    from.parent.as_fd(),
                    from.name.as_os_str(),
                    at.parent.as_fd(),
                    name,
                    AtFlags::empty(),
                )
                .map_err(|errno| self.files.side.cannot(&at.path, errno));
            }
            Kind::Symlink(target) => symlinkat(target, at.parent.as_fd(), name).map_err(failed)?,
            Kind::Fifo => {
                mknodat(at.parent.as_fd(), name, SFlag::S_IFIFO, mode, 0).map_err(failed)?
            }
            Kind::Device(device) => self.device(entry, &at, *device)?,
            Kind::File(_) | Kind::Directory | Kind::Other => return Ok(()),
        }
        self.dress(entry, &at).map_err(failed)
    }

    /// The place of a path, with the directories above it.
    fn at(&mut self, whole: &Path) -> Result<At, Errno> {
        let (above, name) = (whole.parent().unwrap_or(Path::new("/")), whole.file_name());
        let name = name.ok_or(Errno::EINVAL)?.to_owned();
        let parent = match &self.last {
            Some((last, fd)) if last == above => fd.clone(),
            _ => {
                let fd = Rc::new(self.files.side.directory(above)?);
                self.last = Some((above.to_owned(), fd.clone()));
                fd
            }
        };
        Ok(At { parent, name, path: whole.to_owned() })
    }

    /// Makes room for what is no directory.
    fn clear(&self, at: &At) -> Result<()> {
        match self.is_taken(at)? {
            true => at.unlink().map_err(|errno| self.files.side.cannot(&at.path, errno)),
            false => Ok(()),
        }
    }

    /// Whether something is there that gives way: a file is replaced, a directory never is.
    fn is_taken(&self, at: &At) -> Result<bool> {
        match at.stat().map_err(|errno| self.files.side.cannot(&at.path, errno))? {
            Some(stat) if is_dir(&stat) => Err(self.in_the_way("directory", "non-directory", at)),
            found => Ok(found.is_some()),
        }
    }

    fn in_the_way(&self, there: &str, new: &str, at: &At) -> Error {
        let shown = self.files.side.shown(&at.path);
        Error::new(format!("cannot overwrite {there} \"{shown}\" with {new}"))
            .why("what is there would be lost")
            .fix("remove it first, or copy elsewhere")
            .exit_code(1)
    }

    fn directory(&mut self, entry: &Entry, at: At) -> Result<()> {
        let failed = |errno| self.files.side.cannot(&at.path, errno);
        match at.stat().map_err(failed)? {
            None => {
                mkdirat(at.parent.as_fd(), at.name.as_os_str(), Mode::S_IRWXU).map_err(failed)?
            }
            Some(stat) if is_dir(&stat) => {}
            Some(_) => return Err(self.in_the_way("non-directory", "directory", &at)),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let dir = openat(at.parent.as_fd(), at.name.as_os_str(), flags, Mode::empty());
        let dir = dir.map_err(failed)?;
        self.own(entry, &at, |uid, gid| {
            fchownat(dir.as_fd(), c"", uid, gid, AtFlags::AT_EMPTY_PATH)
        })
        .map_err(failed)?;
        fchmod(&dir, Mode::from_bits_truncate(entry.mode)).map_err(failed)?;
        self.times.push((at.path, entry.mtime));
        Ok(())
    }

    /// A file is written without its name, and gets it when it is whole: where the disk is full, the
    /// archive breaks off or we are killed, what was there is there still, and no half of a file is.
    fn file<R: Read>(&mut self, entry: &Entry, at: &At, content: &mut R) -> Result<()> {
        self.is_taken(at)?;
        let mut fresh = at.fresh().map_err(|errno| self.files.side.cannot(&at.path, errno))?;
        let written = io::copy(content, fresh.file()).map_err(|error| match error.raw_os_error() {
            Some(errno) => self.files.side.cannot(&at.path, Errno::from_raw(errno)),
            None => broken(&error),
        });
        written?;
        let put = self.dress_file(entry, at, fresh.file()).and_then(|()| fresh.put(&at.name));
        put.map_err(|errno| self.files.side.cannot(&at.path, errno))
    }

    fn dress_file(&mut self, entry: &Entry, at: &At, file: &File) -> Result<(), Errno> {
        self.own(entry, at, |uid, gid| {
            fchownat(file.as_fd(), c"", uid, gid, AtFlags::AT_EMPTY_PATH)
        })?;
        // After the owner: chown(2) takes the set-user-ID bit away.
        fchmod(file, Mode::from_bits_truncate(entry.mode))?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        for (name, value) in &entry.xattrs {
            // What the file system or our privilege does not allow is left out, as in Docker.
            let _ = xattr::set_deref(&path, name, value);
        }
        futimens(file, &entry.mtime, &entry.mtime)
    }

    fn device(&mut self, entry: &Entry, at: &At, device: Device) -> Result<()> {
        let kind = if device.block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
        let (name, mode) = (at.name.as_os_str(), Mode::from_bits_truncate(entry.mode));
        let number = makedev(device.major.into(), device.minor.into());
        let failed = |errno| self.files.side.cannot(&at.path, errno);
        match mknodat(at.parent.as_fd(), name, kind, mode, number) {
            // Only the host's root makes devices. In a container an empty file stands for it.
            Err(Errno::EPERM) if self.files.side.is_container() => {
                mknodat(at.parent.as_fd(), name, SFlag::S_IFREG, mode, 0).map_err(failed)?;
                let Entry { uid, gid, .. } = *entry;
                self.kept.keep(&below_root(&at.path), Kept { uid, gid, device: Some(device) });
                Ok(())
            }
            made => made.map_err(failed),
        }
    }

    /// Owner, mode and time of what cannot or must not be opened.
    fn dress(&mut self, entry: &Entry, at: &At) -> Result<(), Errno> {
        let name = at.name.as_os_str();
        self.own(entry, at, |uid, gid| {
            fchownat(at.parent.as_fd(), name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
        })?;
        if !matches!(entry.kind, Kind::Symlink(_)) {
            let mode = Mode::from_bits_truncate(entry.mode);
            match fchmodat(at.parent.as_fd(), name, mode, FchmodatFlags::NoFollowSymlink) {
                // A link took the place of what we made.
                Err(Errno::EOPNOTSUPP) => {}
                done => done?,
            }
        }
        let flags = UtimensatFlags::NoFollowSymlink;
        utimensat(at.parent.as_fd(), name, &entry.mtime, &entry.mtime, flags)
    }

    /// Sets the owner, or keeps it where such an id cannot be set.
    fn own(
        &mut self,
        entry: &Entry,
        at: &At,
        chown: impl FnOnce(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let (uid, gid) = match self.files.owner {
            Owner::Ours => return Ok(()),
            Owner::Is(uid, gid) => (uid, gid),
            Owner::Named => (entry.uid, entry.gid),
        };
        if self.files.mapped.has(uid, gid) {
            return chown(Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        }
        if self.files.side.is_container() {
            let device = self.kept.of(&below_root(&at.path)).and_then(|kept| kept.device);
            self.kept.keep(&below_root(&at.path), Kept { uid, gid, device });
        }
        Ok(())
    }

    fn finish(mut self) -> Ownership {
        for (path, time) in std::mem::take(&mut self.times).into_iter().rev() {
            // It may have been replaced since, by whoever is inside.
            let Ok(at) = self.at(&path) else { continue };
            let flags = UtimensatFlags::NoFollowSymlink;
            let _ = utimensat(at.parent.as_fd(), at.name.as_os_str(), &time, &time, flags);
        }
        self.kept
    }
}

fn below_root(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn is_dir(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFDIR
}

fn broken(error: &io::Error) -> Error {
    Error::new("cannot read the archive")
        .why(error.to_string())
        .fix("it must be a whole tar archive, packed by gzip or zstd or not at all")
        .exit_code(1)
}
