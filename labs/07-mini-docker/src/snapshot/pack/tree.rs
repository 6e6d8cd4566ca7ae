//! The walk: a directory by its descriptor, its entries by their names in it.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

use ground::Result;
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, readlinkat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
};
use overlay::{
    Marks,
    whiteout::{self, OciEntry, Opacity},
};
use tar::{Builder, EntryType, Header};

use super::{
    cannot,
    header::{Extensions, attributes, blank, header, kind},
};
use crate::snapshot::Kept;

/// How a directory is opened to be read.
pub(in crate::snapshot) const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// How files are to be understood.
#[derive(Clone, Copy)]
pub(in crate::snapshot) struct Tree<'a> {
    /// Owners that are not on the files, by path in the archive.
    pub kept: &'a dyn Fn(&Path) -> Option<Kept>,
    /// Whose marks mean that something is gone; none where the overlay has been mounted.
    pub marks: Option<Marks>,
}

/// One entry to begin with.
#[derive(Debug)]
pub(in crate::snapshot) struct Top<'a> {
    /// The directory that it is in.
    pub parent: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a OsStr,
    /// What the archive calls it; nothing for what is in it alone.
    pub called: &'a Path,
}

/// Writes one entry with all that is in it.
pub(in crate::snapshot) fn write_tree<W: Write>(out: W, top: Top<'_>, tree: Tree<'_>) -> Result<W> {
    let mut packer = Packer::new(out, tree);
    if top.called.as_os_str().is_empty() {
        let dir = openat(top.parent, top.name, DIRECTORY, Mode::empty());
        packer.directory(
            dir.map_err(|errno| cannot(Path::new(top.name), &errno.into()))?,
            top.called,
        )?;
    } else {
        packer.entry(top.parent, top.name, top.called, Opacity::Merged)?;
    }
    packer.finish()
}

/// Writes everything in a directory. Returns the number of entries as well.
pub(super) fn write_all<W: Write>(out: W, dir: OwnedFd, tree: Tree<'_>) -> Result<(W, usize)> {
    let mut packer = Packer::new(out, tree);
    packer.directory(dir, Path::new(""))?;
    let entries = packer.entries;
    Ok((packer.finish()?, entries))
}

struct Packer<'a, W: Write> {
    tar: Builder<W>,
    tree: Tree<'a>,
    /// The first name of every file that has several.
    linked: HashMap<(u64, u64), PathBuf>,
    entries: usize,
}

impl<'a, W: Write> Packer<'a, W> {
    fn new(out: W, tree: Tree<'a>) -> Self {
        Self { tar: Builder::new(out), tree, linked: HashMap::new(), entries: 0 }
    }

    fn finish(self) -> Result<W> {
        self.tar.into_inner().map_err(|error| cannot(Path::new(""), &error))
    }

    /// The entries of a directory, sorted, each followed by what is in it.
    fn directory(&mut self, dir: OwnedFd, path: &Path) -> Result<()> {
        let opacity = match self.tree.marks {
            Some(marks) => whiteout::opacity(&through(dir.as_fd(), OsStr::new(".")), marks)?,
            None => Opacity::Merged,
        };
        if opacity == Opacity::Opaque && !path.as_os_str().is_empty() {
            self.empty(&OciEntry::opaque_path(path))?;
        }
        let mut dir = Dir::from_fd(dir).map_err(|errno| cannot(path, &errno.into()))?;
        for name in names(&mut dir).map_err(|errno| cannot(path, &errno.into()))? {
            self.entry(dir.as_fd(), &name, &path.join(&name), opacity)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        around: Opacity,
    ) -> Result<()> {
        let file = match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            // It went away since the directory was read.
            Err(Errno::ENOENT) => return Ok(()),
            file => file.map_err(|errno| cannot(path, &errno.into()))?,
        };
        if self.is_gone(parent, name, &file, around)? {
            return self.empty(&OciEntry::whiteout_path(path));
        }
        let opened = match kind(&file) {
            // A socket is useless without the process that made it; Docker leaves them out as well.
            SFlag::S_IFSOCK => return Ok(()),
            SFlag::S_IFDIR => openat(parent, name, DIRECTORY, Mode::empty()),
            SFlag::S_IFREG => openat(parent, name, FILE, Mode::empty()),
            _ => return self.node(parent, name, path, &file),
        };
        let opened = match opened {
            // It went away, or was exchanged for a link, or for a socket.
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR | Errno::ENXIO) => return Ok(()),
            opened => opened.map_err(|errno| cannot(path, &errno.into()))?,
        };
        // What was opened is what is told of, whatever the name leads to by now.
        let file = fstat(&opened).map_err(|errno| cannot(path, &errno.into()))?;
        match kind(&file) {
            SFlag::S_IFDIR => self.described(path, &file, opened),
            SFlag::S_IFREG => self.regular(path, &file, File::from(opened)),
            _ => Ok(()),
        }
    }

    fn is_gone(
        &self,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        file: &FileStat,
        around: Opacity,
    ) -> Result<bool> {
        let Some(marks) = self.tree.marks else { return Ok(false) };
        if kind(file) == SFlag::S_IFCHR && file.st_rdev == 0 {
            return Ok(true);
        }
        let may_be = around == Opacity::Xwhiteouts && kind(file) == SFlag::S_IFREG;
        Ok(may_be && file.st_size == 0 && marks.get(&through(parent, name), "whiteout")?.is_some())
    }

    /// An empty file: how whiteouts are spelled.
    fn empty(&mut self, path: &Path) -> Result<()> {
        let mut header = blank();
        header.set_mode(0o600);
        self.append(&mut header, path, Vec::new(), None, io::empty())
    }

    fn described(&mut self, path: &Path, file: &FileStat, dir: OwnedFd) -> Result<()> {
        let mut header = header(file, (self.tree.kept)(path));
        let extensions = attributes(&through(dir.as_fd(), OsStr::new(".")));
        self.append(&mut header, path, extensions, None, io::empty())?;
        self.directory(dir, path)
    }

    /// What has no content: a link, a device, a pipe.
    fn node(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        file: &FileStat,
    ) -> Result<()> {
        let mut header = header(file, (self.tree.kept)(path));
        let link = match kind(file) {
            SFlag::S_IFLNK => match readlinkat(parent, name) {
                // It is none any more.
                Err(Errno::EINVAL | Errno::ENOENT) => return Ok(()),
                link => Some(PathBuf::from(link.map_err(|errno| cannot(path, &errno.into()))?)),
            },
            _ => None,
        };
        let extensions = attributes(&through(parent, name));
        self.append(&mut header, path, extensions, link.as_deref(), io::empty())
    }

    fn regular(&mut self, path: &Path, file: &FileStat, content: File) -> Result<()> {
        let kept = (self.tree.kept)(path);
        let mut header = header(file, kept);
        if header.entry_type() != EntryType::Regular {
            // An empty file that stands for a device.
            return self.append(&mut header, path, Vec::new(), None, io::empty());
        }
        if file.st_nlink > 1 {
            let inode = (file.st_dev, file.st_ino);
            if let Some(first) = self.linked.get(&inode).cloned() {
                header.set_entry_type(EntryType::Link);
                return self.append(&mut header, path, Vec::new(), Some(&first), io::empty());
            }
            self.linked.insert(inode, path.to_owned());
        }
        let size = u64::try_from(file.st_size).unwrap_or(0);
        header.set_size(size);
        let extensions = attributes(Path::new(&format!("/proc/self/fd/{}", content.as_raw_fd())));
        // Exactly as long as the header says, even if the file shrinks or grows meanwhile.
        let content = content.chain(io::repeat(0)).take(size);
        self.append(&mut header, path, extensions, None, content)
    }

    fn append(
        &mut self,
        header: &mut Header,
        path: &Path,
        mut extensions: Extensions,
        link: Option<&Path>,
        content: impl Read,
    ) -> Result<()> {
        self.entries += 1;
        let mut name = path.as_os_str().as_bytes().to_vec();
        if header.entry_type().is_dir() {
            name.push(b'/');
        }
        let failed = |error| cannot(path, &error);
        if header.set_path(Path::new(OsStr::from_bytes(&name))).is_err() {
            extensions.push(("path".into(), name));
        }
        if let Some(link) = link
            && header.set_link_name_literal(link.as_os_str().as_bytes()).is_err()
        {
            extensions.push(("linkpath".into(), link.as_os_str().as_bytes().to_vec()));
        }
        header.set_cksum();
        if !extensions.is_empty() {
            let extensions = extensions.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.tar.append_pax_extensions(extensions).map_err(failed)?;
        }
        self.tar.append(header, content).map_err(failed)
    }
}

/// A pipe that took a file's place must not keep us waiting for a writer.
const FILE: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

fn names(dir: &mut Dir) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in dir.iter() {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    // What readdir(3) says of a directory that changes meanwhile may be said twice.
    names.dedup();
    Ok(names)
}

/// A path by way of an open directory, for calls that only take paths.
fn through(dir: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)
}
