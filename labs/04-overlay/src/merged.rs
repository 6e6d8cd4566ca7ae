//! The merge, done by hand: which layer provides a name, found as the kernel finds it.
//!
//! A name is looked up in each layer from the top. A file ends the search, a whiteout ends it with
//! "gone", directories are collected until an opaque one. Only directories are read, so this works
//! without privilege and without a mount (Documentation/filesystems/overlayfs.rst).

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata},
    io::ErrorKind,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
};

use ground::{Errno, Error, Result};
use nix::{
    dir::Dir,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
};

use crate::whiteout::{self, Marks, Opacity};

/// Layers, topmost first.
#[derive(Debug)]
pub(crate) struct Layers {
    roots: Vec<(PathBuf, File)>,
    pub(crate) marks: Marks,
}

/// A directory of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) layer: usize,
    pub(crate) path: PathBuf,
    xwhiteouts: bool,
}

/// A directory as the overlay shows it: the directories it is merged from, topmost first.
pub(crate) type Merged = Vec<Part>;

/// What a name is.
#[derive(Debug)]
pub(crate) enum Node {
    /// A directory, with the metadata of its topmost part.
    Directory(Merged, Metadata),
    /// Anything else, and where it is.
    File(PathBuf, Metadata),
}

impl Layers {
    /// Opens the layers' directories.
    pub(crate) fn open<'a>(layers: impl Iterator<Item = &'a Path>, marks: Marks) -> Result<Self> {
        let open = |path: &Path| {
            // Without links, so that later a link on the way is a sign of somebody's tricks.
            let real =
                fs::canonicalize(path).map_err(|error| unreadable(path, errno_of(&error)))?;
            let root = File::open(&real).map_err(|error| unreadable(path, errno_of(&error)))?;
            Ok((real, root))
        };
        Ok(Self { roots: layers.map(open).collect::<Result<_>>()?, marks })
    }

    /// The root directory of the layers from number `first` down.
    pub(crate) fn root(&self, first: usize) -> Result<Merged> {
        let roots = self.roots.iter().enumerate().skip(first);
        roots.map(|(layer, (path, _))| Ok(self.part(layer, path.clone())?.0)).collect()
    }

    fn part(&self, layer: usize, path: PathBuf) -> Result<(Part, Opacity)> {
        let opacity = whiteout::opacity(&path, self.marks)?;
        Ok((Part { layer, path, xwhiteouts: opacity == Opacity::Xwhiteouts }, opacity))
    }

    /// What `name` is in the directory `parent`.
    pub(crate) fn lookup(&self, parent: &[Part], name: &OsStr) -> Result<Option<Node>> {
        let mut name = name.to_owned();
        let mut found: Option<(Merged, Metadata)> = None;
        for above in parent {
            let path = above.path.join(&name);
            let Some(file) = lstat(&path)? else { continue };
            if self.is_whiteout(above, &path, &file)? {
                break;
            }
            if !file.is_dir() {
                // Below a directory, a file is hidden.
                return Ok(Some(
                    found
                        .map_or(Node::File(path, file), |(parts, top)| Node::Directory(parts, top)),
                ));
            }
            let (part, opacity) = self.part(above.layer, path)?;
            let redirect = self.redirect(&part.path)?;
            let (parts, _) = found.get_or_insert_with(|| (Vec::new(), file));
            parts.push(part);
            if opacity == Opacity::Opaque {
                break;
            }
            match redirect {
                Some(target) if target.is_absolute() => {
                    parts.extend(self.descend(above.layer + 1, &target)?);
                    break;
                }
                Some(sibling) => name = sibling.into_os_string(),
                None => {}
            }
        }
        Ok(found.map(|(parts, top)| Node::Directory(parts, top)))
    }

    /// The directory at `path` in the layers from number `first` down; empty when there is none.
    fn descend(&self, first: usize, path: &Path) -> Result<Merged> {
        let mut parts = self.root(first)?;
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            match self.lookup(&parts, name)? {
                Some(Node::Directory(found, _)) => parts = found,
                _ => return Ok(Vec::new()),
            }
        }
        Ok(parts)
    }

    /// The names in any part of a directory, also those that a lookup then finds to be gone.
    pub(crate) fn names(&self, parts: &[Part]) -> Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for part in parts {
            self.list(part, &mut names)?;
        }
        Ok(names)
    }

    /// Reads one directory. A mount point counts as empty: what is mounted there is no part of the
    /// layer. So does a directory that vanished meanwhile, or became a link: in a running
    /// container somebody may want to lead us out of the layer.
    fn list(&self, part: &Part, names: &mut BTreeSet<OsString>) -> Result<()> {
        let unread = |errno| unreadable(&part.path, errno);
        let (root, fd) = &self.roots[part.layer];
        let inside = part.path.strip_prefix(root).unwrap_or(&part.path);
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let within = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_XDEV;
        let directory = match openat2(fd, inside, OpenHow::new().flags(flags).resolve(within)) {
            Ok(directory) => Dir::from_fd(directory).map_err(unread)?,
            Err(Errno::EXDEV | Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(()),
            Err(errno) => return Err(unread(errno)),
        };
        for entry in directory {
            let entry = entry.map_err(unread)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.insert(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(())
    }

    fn is_whiteout(&self, parent: &Part, path: &Path, file: &Metadata) -> Result<bool> {
        Ok(whiteout::is_whiteout(file)
            || (parent.xwhiteouts && whiteout::is_xattr_whiteout(path, file, self.marks)?))
    }

    /// Where the lower part of a renamed directory is: a sibling's name, or a path from the root.
    fn redirect(&self, directory: &Path) -> Result<Option<PathBuf>> {
        // An ordinary user could point anywhere; the kernel does not follow them either.
        if self.marks == Marks::User {
            return Ok(None);
        }
        let value = self.marks.get(directory, "redirect")?;
        Ok(value.map(|value| PathBuf::from(OsStr::from_bytes(&value))))
    }
}

fn lstat(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(unreadable(path, errno_of(&error))),
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

fn unreadable(path: &Path, errno: Errno) -> Error {
    let shown = path.to_string_lossy();
    // The deepest path that a message can hold is not the deepest that a program can make.
    let shown: String = shown.chars().take(200).collect();
    let error = Error::new("cannot read a layer").call(&format!("open({shown:?})"), errno);
    match errno {
        Errno::ENOENT => error.fix("check its name, and that of each layer given"),
        Errno::EACCES => error.fix("ask as the user who owns the layer, or as root"),
        Errno::ENAMETOOLONG => error.fix(
            "the tree is deeper than 4096 bytes of path, which nothing in an image may be: remove it",
        ),
        Errno::ENOSYS => error.fix("this needs openat2(2): Linux 5.6 or newer"),
        _ => error,
    }
}
