//! Inside: file operations that cannot leave one directory.
//!
//! RESOLVE_IN_ROOT makes openat2(2) treat a directory as the root: absolute links start there and
//! `..` stops there, as after chroot(2), but for a single call and without privilege (Linux 5.6).

use std::{
    ffi::{OsStr, OsString},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use ground::{Errno, Error, Explanation, Result};
use nix::{
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::{FileStat, Mode, fstat, fstatat, mkdirat},
};

use super::{
    birth::Birth,
    failed::{Failed, by},
};

/// The longest path that the kernel takes, its final NUL included (PATH_MAX).
const PATH_MAX: usize = 4096;

/// The deepest directory that we make: deeper ones cannot be reached by a path from outside.
const DEPTH_MAX: usize = 1000;

/// A path of an archive, made relative and free of `.` and `..`.
///
/// # Errors
/// A path that climbs out of the layer, or one that no file system can have.
pub fn clean(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if !clean.pop() => {
                return Err(refused(path, "it leads out of the layer's directory"));
            }
            // An absolute path means the layer's root, as in Docker.
            Component::ParentDir
            | Component::CurDir
            | Component::RootDir
            | Component::Prefix(_) => {}
        }
    }
    if clean.as_os_str().len() >= PATH_MAX {
        return Err(refused(&shown(path), "it is longer than the 4095 bytes that a path can have"));
    }
    if clean.components().count() > DEPTH_MAX {
        return Err(refused(&shown(path), "it is nested more than 1000 directories deep"));
    }
    Ok(clean)
}

/// The beginning of a path that is too long to be shown.
fn shown(path: &Path) -> PathBuf {
    let text: String = path.to_string_lossy().chars().take(60).collect();
    PathBuf::from(text + "..")
}

/// A path that is not unpacked, and why.
pub fn refused(path: &Path, why: &str) -> Error {
    Error::new(format!("refused to unpack {path:?}"))
        .why(why)
        .fix("do not trust this image; whoever made it knows more about it")
}

/// As many directories are kept open: archives list them as wholes, but hard links lead elsewhere.
const RECENT_MAX: usize = 8;

/// The directory that a layer is unpacked into.
#[derive(Debug)]
pub struct Inside {
    root: OwnedFd,
    birth: Birth,
    /// The parents of the entries before, the last one first.
    recent: Vec<(PathBuf, Rc<Parent>)>,
}

/// Where an entry goes: a name in an open directory.
#[derive(Debug, Clone)]
pub struct Place {
    parent: Rc<Parent>,
    /// The last name of the path.
    pub name: OsString,
}

#[derive(Debug)]
struct Parent {
    fd: OwnedFd,
    /// Whether what is made in it is born as [`Birth`] says.
    is_plain: bool,
}

impl Place {
    /// The directory that the name is in.
    pub fn parent(&self) -> BorrowedFd<'_> {
        self.parent.fd.as_fd()
    }

    /// A path that leads here through the open parent, for calls that only take paths.
    pub fn path(&self) -> PathBuf {
        Path::new(&format!("/proc/self/fd/{}", self.parent().as_raw_fd())).join(&self.name)
    }

    /// Whether what is made here is born as [`Birth`] says.
    pub fn is_plain(&self) -> bool {
        self.parent.is_plain
    }

    /// What is there now, if anything; a link is not followed.
    pub fn stat(&self) -> std::result::Result<Option<FileStat>, Failed> {
        match fstatat(self.parent(), self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(by("fstatat")(errno)),
        }
    }
}

const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

const RESOLVE: ResolveFlag = ResolveFlag::RESOLVE_IN_ROOT.union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

/// How the parent of every entry is opened, below the layer's directory `dir`.
pub fn explain(dir: &Path) -> Explanation {
    let (flags, resolve) = (names(DIRECTORY.iter_names()), names(RESOLVE.iter_names()));
    Explanation::new(
        format!("openat2({dir:?}, PARENT, {{flags={flags}, resolve={resolve}}})"),
        "an archive from a stranger: no path in it may lead out of the layer's directory",
        "2 openat2",
    )
}

fn names<T>(flags: impl Iterator<Item = (&'static str, T)>) -> String {
    flags.map(|(name, _)| name).collect::<Vec<_>>().join("|")
}

impl Inside {
    /// Everything stays inside `root`, which is empty.
    ///
    /// # Errors
    /// As open(2).
    pub fn new(root: &Path) -> Result<Self> {
        let cannot =
            |errno| Error::new("cannot unpack the layer").call(&format!("open({root:?})"), errno);
        let root = open(root, DIRECTORY, Mode::empty()).map_err(cannot)?;
        let birth = Birth::observe(root.as_fd()).map_err(cannot)?;
        Ok(Self { root, birth, recent: Vec::new() })
    }

    /// The root itself.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What a new file gets without being asked.
    pub fn birth(&self) -> &Birth {
        &self.birth
    }

    /// The place of a clean path that is not empty. Parents that are missing are made: archives
    /// may leave them out.
    ///
    /// # Errors
    /// ENOTDIR or ELOOP when something in the way is no directory, EEXIST of mkdirat(2) when it is a
    /// link that leads to nothing.
    pub fn place(&mut self, path: &Path) -> std::result::Result<Place, Failed> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().unwrap_or(OsStr::new(".")).to_owned();
        let is_it = |(known, _): &(PathBuf, _)| known.as_os_str() == parent.as_os_str();
        if let Some(at) = self.recent.iter().position(is_it) {
            self.recent[..=at].rotate_right(1);
            return Ok(Place { parent: self.recent[0].1.clone(), name });
        }
        let fd = self.directory(parent)?;
        let is_plain = self.birth.is_same_in(&fstat(&fd).map_err(by("fstat"))?);
        let known = Rc::new(Parent { fd, is_plain });
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.insert(0, (parent.to_owned(), known.clone()));
        Ok(Place { parent: known, name })
    }

    /// Something was removed or replaced by something else: known directories may be gone.
    pub fn forget(&mut self) {
        self.recent.clear();
    }

    /// A directory's owner or mode was changed.
    pub fn changed(&mut self, path: &Path) {
        self.recent.retain(|(known, _)| known.as_os_str() != path.as_os_str());
    }

    /// The archive sets access control lists, which may be inherited.
    pub fn inherits(&mut self) {
        self.birth = Birth::unknown();
        self.forget();
    }

    fn directory(&self, path: &Path) -> std::result::Result<OwnedFd, Failed> {
        match self.open(path) {
            Err(Errno::ENOENT) => self.make_parents(path),
            opened => opened.map_err(by("openat2")),
        }
    }

    fn open(&self, path: &Path) -> std::result::Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(&self.root, path, OpenHow::new().flags(DIRECTORY).resolve(RESOLVE))
    }

    /// As `mkdir -p`, but each level is found by the kernel inside the root.
    fn make_parents(&self, path: &Path) -> std::result::Result<OwnedFd, Failed> {
        let mut so_far = PathBuf::new();
        let mut here = self.open(&so_far).map_err(by("openat2"))?;
        for component in path.components() {
            so_far.push(component);
            let opened = match self.open(&so_far) {
                Err(Errno::ENOENT) => {
                    mkdirat(&here, component.as_os_str(), Mode::from_bits_truncate(0o755))
                        .map_err(by("mkdirat"))?;
                    self.open(&so_far)
                }
                opened => opened,
            };
            here = opened.map_err(by("openat2"))?;
        }
        Ok(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        assert_eq!(clean(Path::new(path)).ok(), expected.map(PathBuf::from));
    }

    #[test]
    fn a_path_is_relative_and_does_not_climb_out() {
        check("etc/passwd", Some("etc/passwd"));
        check("./etc//passwd/", Some("etc/passwd"));
        check("/etc/passwd", Some("etc/passwd"));
        check("a/../b", Some("b"));
        check("./", Some(""));
        check("../etc/passwd", None);
        check("a/../../b", None);
        check("/..", None);
        check(&"d/".repeat(1000), Some("d/".repeat(1000).trim_end_matches('/')));
        check(&"d/".repeat(1001), None);
        check(&"dddd".repeat(1024), None);
    }
}
