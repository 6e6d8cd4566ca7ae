//! Applying: each entry of the archive becomes a file, in the order of the archive.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{AtFlags, OFlag, openat},
    sys::{
        stat::{
            FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, makedev,
            mkdirat, mknodat, utimensat,
        },
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchown, fchownat, linkat, symlinkat},
};
use overlay::{
    Marks,
    whiteout::{self, OciEntry},
};
use tar::Archive;

use super::{
    entry::{Entry, Kind},
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

/// Attributes that make up access control lists (man 5 acl).
const ACCESS_LISTS: &str = "system.posix_acl";

/// Works off an archive.
#[derive(Debug)]
pub struct Applier {
    inside: Inside,
    marks: Marks,
    mapped: Mapped,
    room: u64,
    kept: Ownership,
    // A directory's time changes with every entry in it, so times come last.
    times: Vec<(PathBuf, TimeSpec)>,
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
        let failed = |errno| cannot(&entry.path, errno);
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
        let failed = |errno| cannot(gone, errno);
        let place = self.inside.place(gone).map_err(failed)?;
        self.clear(gone, &place)?;
        whiteout::make_whiteout(&through(&place))
    }

    fn opaque(&mut self, dir: &Path) -> Result<()> {
        let failed = |errno| cannot(dir, errno);
        // The place of an entry in it: that makes the directory as well.
        let place = self.inside.place(&dir.join("x")).map_err(failed)?;
        let dir = format!("/proc/self/fd/{}", place.parent().as_raw_fd());
        whiteout::make_opaque(Path::new(&format!("{dir}/.")), self.marks)
    }

    fn make<R: Read>(&mut self, entry: &Entry, tar: &mut tar::Entry<'_, R>) -> Result<()> {
        let failed = |errno| cannot(&entry.path, errno);
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
                    link().map_err(failed)?;
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
                mknodat(place.parent(), name, SFlag::S_IFIFO, mode(entry), 0).map_err(failed)?;
                self.dress_node(entry, &place).map_err(failed)
            }
            Kind::Other => Ok(()),
        }
    }

    /// Makes room for an entry: what an earlier entry of the same name made is replaced.
    fn clear(&mut self, path: &Path, place: &Place) -> Result<()> {
        let found = place.stat().map_err(|errno| cannot(path, errno))?;
        if found.is_some() {
            // Through the descriptor of the parent, so that no link on the way is followed.
            tree::remove(&through(place))?;
            self.inside.forget();
            self.kept.forget(path);
        }
        Ok(())
    }

    fn directory(&mut self, entry: &Entry, place: &Place) -> Result<()> {
        let failed = |errno| cannot(&entry.path, errno);
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
            Err(errno) => return Err(failed(errno)),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let dir = openat(place.parent(), place.name.as_os_str(), flags, Mode::empty());
        self.dress_directory(entry, dir.map_err(failed)?.as_raw_fd()).map_err(failed)
    }

    fn is_directory(&self, entry: &Entry, place: &Place) -> Result<bool> {
        let found = place.stat().map_err(|errno| cannot(&entry.path, errno))?;
        Ok(found.is_some_and(|found| is_dir(found.st_mode)))
    }

    /// Whether a file that was just made with the entry's permissions has its owner and mode.
    fn is_born_right(&self, entry: &Entry, place: &Place) -> bool {
        self.is_born_owned(entry, place) && self.inside.birth().permits(entry.mode)
    }

    fn is_born_owned(&self, entry: &Entry, place: &Place) -> bool {
        place.is_plain() && self.inside.birth().owns(entry.uid, entry.gid)
    }

    fn file<R: Read>(
        &mut self,
        entry: &Entry,
        place: &Place,
        size: u64,
        content: &mut R,
    ) -> Result<()> {
        let failed = |errno| cannot(&entry.path, errno);
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
        let mut file = File::from(file.map_err(failed)?);
        self.copy(content, &mut file, &entry.path)?;
        if !self.is_born_right(entry, place) {
            self.own(entry, |uid, gid| fchown(&file, uid, gid)).map_err(failed)?;
            // After the owner: chown(2) takes the set-user-ID bit away.
            fchmod(&file, mode(entry)).map_err(failed)?;
        }
        self.attributes(entry, || PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())))?;
        futimens(&file, &entry.mtime, &entry.mtime).map_err(failed)
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
            Some(errno) => cannot(path, Errno::from_raw(errno)),
            None => broken(&error),
        })
    }

    fn hard_link(&mut self, entry: &Entry, place: &Place, target: &Path) -> Result<()> {
        let why = "it is a hard link to something that is not in this layer before it";
        let refused = |_| inside::refused(&entry.path, why);
        if *target == entry.path {
            return Ok(());
        }
        let from = self.inside.place(target).map_err(refused)?;
        if from.stat().map_err(refused)?.is_none_or(|found| is_dir(found.st_mode)) {
            return Err(refused(Errno::ENOENT));
        }
        self.clear(&entry.path, place)?;
        let (from_name, name) = (from.name.as_os_str(), place.name.as_os_str());
        // Without AT_SYMLINK_FOLLOW: a link to a link is a link.
        linkat(from.parent(), from_name, place.parent(), name, AtFlags::empty())
            .map_err(|errno| cannot(&entry.path, errno))?;
        if let Some(kept) = self.kept.of(target) {
            self.kept.keep(&entry.path, kept);
        }
        Ok(())
    }

    fn device(&mut self, entry: &Entry, place: &Place, device: Device) -> Result<(), Errno> {
        let kind = if device.block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
        let name = place.name.as_os_str();
        let number = makedev(device.major.into(), device.minor.into());
        match mknodat(place.parent(), name, kind, mode(entry), number) {
            // Only the host's root makes devices: keep it beside the file.
            Err(Errno::EPERM) => {
                mknodat(place.parent(), name, SFlag::S_IFREG, mode(entry), 0)?;
                let Entry { uid, gid, .. } = *entry;
                self.kept.keep(&entry.path, Kept { uid, gid, device: Some(device) });
                Ok(())
            }
            made => {
                made?;
                self.dress_node(entry, place)
            }
        }
    }

    /// Owner, mode, attributes and, later, time of a directory.
    fn dress_directory(&mut self, entry: &Entry, dir: std::os::fd::RawFd) -> Result<(), Errno> {
        let path = PathBuf::from(format!("/proc/self/fd/{dir}"));
        self.own(entry, |uid, gid| nix::unistd::chown(&path, uid, gid))?;
        let cwd = nix::fcntl::AT_FDCWD;
        fchmodat(cwd, &path, mode(entry), FchmodatFlags::FollowSymlink)?;
        let _ = self.attributes(entry, || path.clone());
        self.inside.changed(&entry.path);
        self.times.push((entry.path.clone(), entry.mtime));
        Ok(())
    }

    /// Owner, mode, attributes and time of what cannot or must not be opened.
    fn dress_node(&mut self, entry: &Entry, place: &Place) -> Result<(), Errno> {
        let name = place.name.as_os_str();
        if !self.is_born_owned(entry, place) {
            let no_follow = AtFlags::AT_SYMLINK_NOFOLLOW;
            self.own(entry, |uid, gid| fchownat(place.parent(), name, uid, gid, no_follow))?;
        }
        if !matches!(entry.kind, Kind::Symlink(_)) {
            let path = through(place);
            let cwd = nix::fcntl::AT_FDCWD;
            fchmodat(cwd, &path, mode(entry), FchmodatFlags::FollowSymlink)?;
        }
        let _ = self.attributes_of_node(entry, place);
        let flags = UtimensatFlags::NoFollowSymlink;
        utimensat(place.parent(), name, &entry.mtime, &entry.mtime, flags)
    }

    /// Sets what the file system and our privilege allow, as Docker does: an image does not become
    /// useless by an attribute that is missing. The path leads through a descriptor to the file.
    fn attributes(&mut self, entry: &Entry, path: impl FnOnce() -> PathBuf) -> Result<()> {
        if entry.xattrs.is_empty() {
            return Ok(());
        }
        let path = path();
        self.set_attributes(entry, |name, value| xattr::set_deref(&path, name, value))
    }

    /// The same for what is not open; a link is not followed.
    fn attributes_of_node(&mut self, entry: &Entry, place: &Place) -> Result<()> {
        let path = through(place);
        self.set_attributes(entry, |name, value| xattr::set(&path, name, value))
    }

    fn set_attributes(
        &mut self,
        entry: &Entry,
        set: impl Fn(&str, &[u8]) -> io::Result<()>,
    ) -> Result<()> {
        for (name, value) in &entry.xattrs {
            if name.starts_with(ACCESS_LISTS) {
                self.inside.inherits();
            }
            if let Err(error) = set(name, value)
                && matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
            {
                return Err(cannot(&entry.path, Errno::ENOSPC));
            }
        }
        Ok(())
    }

    /// Sets the owner, or keeps it where such an id cannot be set.
    fn own(
        &mut self,
        entry: &Entry,
        chown: impl FnOnce(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let Entry { uid, gid, .. } = *entry;
        if self.mapped.has(uid, gid) {
            return chown(Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        }
        self.kept.keep(&entry.path, Kept { uid, gid, device: None });
        Ok(())
    }
}

fn mode(entry: &Entry) -> Mode {
    Mode::from_bits_truncate(entry.mode)
}

fn is_dir(mode: u32) -> bool {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// A path to the place by way of its open parent, for calls that only take paths.
fn through(place: &Place) -> PathBuf {
    Path::new(&format!("/proc/self/fd/{}", place.parent().as_fd().as_raw_fd())).join(&place.name)
}

fn too_large(path: &Path, size: u64, room: u64) -> Error {
    Error::new("cannot unpack the layer")
        .why(format!("{path:?} wants {size} bytes, and the file system has {room} left"))
        .fix("free some space if you trust the image; it may be a bomb")
}

fn cannot(path: &Path, errno: Errno) -> Error {
    let error = Error::new(format!("cannot unpack {path:?}")).call("write", errno);
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => {
            error.fix("free some space (mini-docker rmi, rm), or choose another disk with --root")
        }
        Errno::ENOTDIR | Errno::ELOOP => error
            .why("something on the way is no directory inside of the layer")
            .fix("do not trust this image; whoever made it knows more about it"),
        Errno::ENAMETOOLONG => {
            error.fix("this file system has shorter names: choose another with --root")
        }
        Errno::EPERM | Errno::EACCES => {
            error.fix("run as the owner of the store, or as root; some file systems refuse owners")
        }
        _ => error,
    }
}
