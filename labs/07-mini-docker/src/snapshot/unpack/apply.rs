//! Applying: each entry of the archive becomes a file, in the order of the archive.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{AtFlags, OFlag, openat},
    sys::{
        stat::{Mode, SFlag, UtimensatFlags, makedev, mkdirat, mknodat, utimensat},
        time::TimeSpec,
    },
    unistd::{linkat, symlinkat},
};
use overlay::{
    Marks,
    whiteout::{self, OciEntry},
};
use tar::Archive;

use super::{
    entry::{Entry, Kind},
    failed::{Failed, by},
    inside::{self, Inside, Place},
    stream::{Tar, broken},
};
use crate::{
    inflate::Budget,
    snapshot::{Kept, Mapped, Ownership, ownership::Device},
    tree,
};

/// The most bytes of headers that one entry may have: names and attributes are far shorter.
const HEADER_MAX: u64 = 1 << 20;

/// How much of a file is written at once.
const CHUNK: usize = 128 << 10;

/// Works off an archive.
#[derive(Debug)]
pub struct Applier {
    pub(super) inside: Inside,
    marks: Marks,
    pub(super) mapped: Mapped,
    room: u64,
    pub(super) kept: Ownership,
    // A directory's time changes with every entry in it, so times come last.
    pub(super) times: Vec<(PathBuf, TimeSpec)>,
    buffer: Vec<u8>,
}

impl Applier {
    /// Everything goes into `dir`, where `room` bytes are free.
    pub fn new(dir: &Path, room: u64, mapped: Mapped) -> Result<Self> {
        Ok(Self {
            inside: Inside::new(dir)?,
            marks: Marks::here(),
            mapped,
            room,
            kept: Ownership::default(),
            times: Vec::new(),
            buffer: vec![0; CHUNK],
        })
    }

    /// Applies every entry.
    pub fn apply_all(&mut self, tar: &mut Tar, budget: &Budget) -> Result<()> {
        let mut archive = Archive::new(tar);
        let mut entries = archive.entries().map_err(|error| broken(&error))?;
        loop {
            budget.set(HEADER_MAX);
            let Some(entry) = entries.next() else { return Ok(()) };
            let mut entry = entry.map_err(|error| broken(&error))?;
            budget.set(u64::MAX);
            self.apply(&mut entry)?;
            // To the end of the content, so that the next budget is for a header alone.
            io::copy(&mut entry, &mut io::sink()).map_err(|error| broken(&error))?;
        }
    }

    /// Sets what had to wait, and returns what could not be set.
    pub fn finish(mut self) -> Result<Ownership> {
        let times = std::mem::take(&mut self.times);
        for (path, time) in times.into_iter().rev() {
            // It may have been replaced or hidden since.
            let Ok(place) = self.inside.place(&path) else { continue };
            let flags = UtimensatFlags::NoFollowSymlink;
            let _ = utimensat(place.parent(), place.name.as_os_str(), &time, &time, flags);
        }
        Ok(self.kept)
    }

    fn apply<R: Read>(&mut self, tar: &mut tar::Entry<'_, R>) -> Result<()> {
        let entry = Entry::read(tar)?;
        let failed = |failed: Failed| failed.on(&entry.path);
        match OciEntry::read(&entry.path)? {
            OciEntry::Reserved => Ok(()),
            OciEntry::Whiteout(gone) => self.whiteout(&gone),
            OciEntry::Opaque(dir) => self.opaque(&dir),
            OciEntry::File if entry.path.as_os_str().is_empty() => {
                self.dress_directory(&entry, self.inside.root().as_raw_fd()).map_err(failed)
            }
            OciEntry::File => self.make(&entry, tar),
        }
    }

    fn whiteout(&mut self, gone: &Path) -> Result<()> {
        let failed = |failed: Failed| failed.on(gone);
        let place = self.inside.place(gone).map_err(failed)?;
        self.clear(gone, &place)?;
        whiteout::make_whiteout(&place.path())
    }

    fn opaque(&mut self, dir: &Path) -> Result<()> {
        let failed = |failed: Failed| failed.on(dir);
        // The place of an entry in it: that makes the directory as well.
        let place = self.inside.place(&dir.join("x")).map_err(failed)?;
        let dir = format!("/proc/self/fd/{}", place.parent().as_raw_fd());
        whiteout::make_opaque(Path::new(&format!("{dir}/.")), self.marks)
    }

    fn make<R: Read>(&mut self, entry: &Entry, tar: &mut tar::Entry<'_, R>) -> Result<()> {
        let failed = |failed: Failed| failed.on(&entry.path);
        if entry.kind == Kind::Other {
            return Ok(());
        }
        let place = self.inside.place(&entry.path).map_err(failed)?;
        match &entry.kind {
            Kind::Directory => self.directory(entry, &place),
            Kind::File(size) => self.file(entry, &place, *size, tar),
            Kind::Symlink(target) => {
                let link = || symlinkat(target, place.parent(), place.name.as_os_str());
                if link() != Ok(()) {
                    self.clear(&entry.path, &place)?;
                    link().map_err(by("symlinkat")).map_err(failed)?;
                }
                self.dress_node(entry, &place).map_err(failed)
            }
            Kind::HardLink(target) => self.hard_link(entry, &place, target),
            Kind::Device(device) => {
                self.clear(&entry.path, &place)?;
                self.device(entry, &place, *device).map_err(failed)
            }
            Kind::Fifo => {
                self.clear(&entry.path, &place)?;
                let name = place.name.as_os_str();
                mknodat(place.parent(), name, SFlag::S_IFIFO, entry.permissions(), 0)
                    .map_err(by("mknodat"))
                    .map_err(failed)?;
                self.dress_node(entry, &place).map_err(failed)
            }
            Kind::Other => Ok(()),
        }
    }

    /// Makes room for an entry: what an earlier entry of the same name made is replaced.
    fn clear(&mut self, path: &Path, place: &Place) -> Result<()> {
        let found = place.stat().map_err(|failed| failed.on(path))?;
        if found.is_some() {
            // Through the descriptor of the parent, so that no link on the way is followed.
            tree::remove(&place.path())?;
            self.inside.forget();
            self.kept.forget(path);
        }
        Ok(())
    }

    fn directory(&mut self, entry: &Entry, place: &Place) -> Result<()> {
        let failed = |failed: Failed| failed.on(&entry.path);
        let permissions = Mode::from_bits_truncate(entry.mode & 0o777);
        let made = match mkdirat(place.parent(), place.name.as_os_str(), permissions) {
            Err(Errno::EEXIST) if !self.is_directory(entry, place)? => {
                self.clear(&entry.path, place)?;
                mkdirat(place.parent(), place.name.as_os_str(), permissions)
            }
            made => made,
        };
        match made {
            Ok(()) if self.is_born_right(entry, place) && entry.xattrs.is_empty() => {
                self.times.push((entry.path.clone(), entry.mtime));
                return Ok(());
            }
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(failed(by("mkdirat")(errno))),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let dir = openat(place.parent(), place.name.as_os_str(), flags, Mode::empty());
        let dir = dir.map_err(by("openat")).map_err(failed)?;
        self.dress_directory(entry, dir.as_raw_fd()).map_err(failed)
    }

    fn is_directory(&self, entry: &Entry, place: &Place) -> Result<bool> {
        let found = place.stat().map_err(|failed| failed.on(&entry.path))?;
        Ok(found.is_some_and(|found| is_dir(found.st_mode)))
    }

    fn file<R: Read>(
        &mut self,
        entry: &Entry,
        place: &Place,
        size: u64,
        content: &mut R,
    ) -> Result<()> {
        let failed = |failed: Failed| failed.on(&entry.path);
        if size > self.room {
            return Err(too_large(&entry.path, size, self.room));
        }
        self.room -= size;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let permissions = Mode::from_bits_truncate(entry.mode & 0o777);
        let create = || openat(place.parent(), place.name.as_os_str(), flags, permissions);
        // Most names are new: to look first would be a system call for each.
        let file = match create() {
            Err(Errno::EEXIST) => {
                self.clear(&entry.path, place)?;
                create()
            }
            made => made,
        };
        let mut file = File::from(file.map_err(by("openat")).map_err(failed)?);
        self.copy(content, &mut file, &entry.path)?;
        self.dress_file(entry, place, &file).map_err(failed)
    }

    fn copy(&mut self, content: &mut impl Read, file: &mut File, path: &Path) -> Result<()> {
        let buffer = &mut self.buffer;
        let mut copy = || -> io::Result<()> {
            loop {
                match content.read(buffer)? {
                    0 => return Ok(()),
                    count => file.write_all(&buffer[..count])?,
                }
            }
        };
        copy().map_err(|error| match error.raw_os_error() {
            Some(errno) => by("write")(Errno::from_raw(errno)).on(path),
            None => broken(&error),
        })
    }

    fn hard_link(&mut self, entry: &Entry, place: &Place, target: &Path) -> Result<()> {
        let why = "it is a hard link to something that is not in this layer before it";
        let refused = |_: Failed| inside::refused(&entry.path, why);
        if *target == entry.path {
            return Ok(());
        }
        let from = self.inside.place(target).map_err(refused)?;
        if from.stat().map_err(refused)?.is_none_or(|found| is_dir(found.st_mode)) {
            return Err(inside::refused(&entry.path, why));
        }
        self.clear(&entry.path, place)?;
        let (from_name, name) = (from.name.as_os_str(), place.name.as_os_str());
        // Without AT_SYMLINK_FOLLOW: a link to a link is a link.
        linkat(from.parent(), from_name, place.parent(), name, AtFlags::empty())
            .map_err(|errno| by("linkat")(errno).on(&entry.path))?;
        if let Some(kept) = self.kept.of(target) {
            self.kept.keep(&entry.path, kept);
        }
        Ok(())
    }

    fn device(&mut self, entry: &Entry, place: &Place, device: Device) -> Result<(), Failed> {
        let kind = if device.block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
        let name = place.name.as_os_str();
        let number = makedev(device.major.into(), device.minor.into());
        match mknodat(place.parent(), name, kind, entry.permissions(), number) {
            // Only the host's root makes devices: keep it beside the file.
            Err(Errno::EPERM) => {
                mknodat(place.parent(), name, SFlag::S_IFREG, entry.permissions(), 0)
                    .map_err(by("mknodat"))?;
                let Entry { uid, gid, .. } = *entry;
                self.kept.keep(&entry.path, Kept { uid, gid, device: Some(device) });
                self.dress_owned(entry, place)
            }
            made => {
                made.map_err(by("mknodat"))?;
                self.dress_node(entry, place)
            }
        }
    }
}

fn is_dir(mode: u32) -> bool {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

fn too_large(path: &Path, size: u64, room: u64) -> Error {
    Error::new("cannot unpack the layer")
        .why(format!("{path:?} wants {size} bytes, and the file system has {room} left"))
        .fix("free some space if you trust the image; it may be a bomb")
}
