//! Targets: paths below the rootfs, opened so that no symbolic link leads out.
//!
//! An image may hold `/etc -> ../../../etc`. Joining strings and calling mount(2) would then mount
//! over the *host's* /etc (CVE-2021-30465 and its kin). So a path of the container is never given
//! to the kernel as text: openat2(2) with RESOLVE_IN_ROOT walks it as if the working directory were
//! "/", and what is mounted on is the descriptor that comes out, named `/proc/self/fd/N`.
//!
//! Every step here relies on the working directory being the root of the new rootfs. Until
//! pivot_root that is so by an earlier chdir(2), and after it as well.

use std::{
    ffi::{CStr, CString},
    fs::File,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2},
    sys::stat::{Mode, mkdirat},
};

use crate::sys;

type Done = std::result::Result<(), Errno>;

/// The number of a descriptor that is known before there is anything in it.
///
/// The parent opens something harmless and so reserves the number; the child puts each target in
/// its place. That is what allows `/proc/self/fd/N` to be prepared before the clone.
#[derive(Debug, Clone, Copy)]
pub struct Slot(RawFd);

impl Slot {
    /// Reserves a number; it is free again when the returned file is dropped.
    ///
    /// # Errors
    /// EMFILE, or a machine without `/`.
    pub fn reserve() -> Result<(Self, OwnedFd)> {
        let placeholder = File::open("/").map_err(|error| {
            Error::new("cannot reserve a descriptor").io("open /", &error).see("2 open")
        })?;
        Ok((Self(placeholder.as_raw_fd()), placeholder.into()))
    }

    /// The path under which the kernel finds what is in the slot.
    pub fn path(self) -> String {
        format!("/proc/self/fd/{}", self.0)
    }

    /// Puts `fd` in the slot.
    pub fn fill(self, fd: impl AsFd) -> Done {
        sys::dup_over(fd.as_fd(), self.0)
    }
}

/// What has to be at a target, and is made when it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It must be there already.
    Existing,
    /// A directory, with those above it.
    Directory,
    /// A file, empty if it is made.
    File,
}

/// A path below the rootfs.
#[derive(Debug, Clone)]
pub struct Target {
    path: CString,
}

impl Target {
    /// The target of a path as the container sees it: `/dev/pts`. `..` stops at the root.
    ///
    /// # Errors
    /// A path with a NUL byte, or longer than PATH_MAX.
    pub fn new(path: &str) -> Result<Self> {
        let relative = path.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        let fits = relative.len() < PATH_MAX;
        let path = CString::new(relative).ok().filter(|_| fits).ok_or_else(|| {
            Error::new(format!("cannot use the path {path:?}"))
                .why("it holds a NUL byte, or has more than 4095 bytes")
                .see("7 path_resolution")
        })?;
        Ok(Self { path })
    }

    /// The path inside, absolute.
    pub fn inside(&self) -> String {
        let path = self.path.to_string_lossy();
        if path == "." { "/".to_owned() } else { format!("/{path}") }
    }

    /// Opens it as a place (O_PATH), making it first when something is wanted that is missing.
    pub fn open(&self, wanted: Wanted) -> std::result::Result<OwnedFd, Errno> {
        let place = OFlag::O_PATH | OFlag::O_CLOEXEC;
        match open_in_root(&self.path, place) {
            Err(Errno::ENOENT) if wanted != Wanted::Existing => make(&self.path, wanted),
            opened => opened,
        }
    }
}

/// openat2(2) from the working directory, which counts as "/".
pub fn open_in_root(path: &CStr, flags: OFlag) -> std::result::Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    loop {
        match openat2(AT_FDCWD, path, OpenHow::new().flags(flags).resolve(resolve)) {
            // A rename somewhere made the kernel lose its way with `..`: it asks to try again.
            Err(Errno::EAGAIN) => {}
            opened => return opened,
        }
    }
}

/// How many dangling links are followed before it is called a circle, as the kernel does.
const LINKS_MAX: usize = 40;

/// Makes what is missing of a path, component by component, and opens it.
fn make(path: &CStr, wanted: Wanted) -> std::result::Result<OwnedFd, Errno> {
    let place = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let mut path = PathBuffer::new(path.to_bytes()).ok_or(Errno::ENAMETOOLONG)?;
    for _ in 0..LINKS_MAX {
        let Some(dangling) = make_once(&mut path, wanted)? else {
            return open_in_root(path.c_str(), place);
        };
        path = dangling;
    }
    Err(Errno::ELOOP)
}

/// One walk. `Some` is the path to go on with, when a component is a link to nowhere: what it
/// points at is made, as runc does (an image's /etc/resolv.conf is often such a link).
fn make_once(
    path: &mut PathBuffer,
    wanted: Wanted,
) -> std::result::Result<Option<PathBuffer>, Errno> {
    let place = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let mut end = 0;
    while let Some(next) = path.component_end(end) {
        let missing = path.up_to(next, |prefix| open_in_root(prefix, place));
        if missing.is_err_and(|errno| errno == Errno::ENOENT) {
            let parent = match end {
                0 => open_in_root(c".", place)?,
                _ => path.up_to(end, |prefix| open_in_root(prefix, place))?,
            };
            let name = PathBuffer::new(path.component(end, next)).ok_or(Errno::ENAMETOOLONG)?;
            let is_last = path.component_end(next).is_none();
            let made = if is_last && wanted == Wanted::File {
                create_file(&parent, name.c_str())
            } else {
                mkdirat(&parent, name.c_str(), Mode::from_bits_truncate(0o755))
            };
            match made {
                Ok(()) => {}
                Err(Errno::EEXIST) => return dangling(path, &parent, &name, end, next).map(Some),
                Err(errno) => return Err(errno),
            }
        }
        end = next;
    }
    Ok(None)
}

fn create_file(parent: &OwnedFd, name: &CStr) -> Done {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::from_bits_truncate(0o644)).map(drop)
}

/// The path with the link `name` replaced by what it says.
fn dangling(
    path: &PathBuffer,
    parent: &OwnedFd,
    name: &PathBuffer,
    start: usize,
    end: usize,
) -> std::result::Result<PathBuffer, Errno> {
    let link = read_link(parent, name.c_str())?;
    let rest = path.rest(end);
    let joined = match link.bytes() {
        [b'/', ..] => PathBuffer::joined(&[link.bytes(), rest]),
        _ => PathBuffer::joined(&[path.component(0, start), b"/", link.bytes(), rest]),
    };
    joined.ok_or(Errno::ENAMETOOLONG)
}

fn read_link(parent: &OwnedFd, name: &CStr) -> std::result::Result<PathBuffer, Errno> {
    let mut link = PathBuffer::empty();
    let room = &mut link.bytes[..PATH_MAX - 1];
    link.length = sys::readlinkat(parent.as_fd(), name, room)?;
    Ok(link)
}

/// A path in a fixed place, so that the child can cut and join it without allocating.
#[derive(Clone)]
struct PathBuffer {
    bytes: [u8; PATH_MAX],
    length: usize,
}

const PATH_MAX: usize = libc::PATH_MAX as usize;

impl std::fmt::Debug for PathBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

impl PathBuffer {
    fn empty() -> Self {
        Self { bytes: [0; PATH_MAX], length: 0 }
    }

    fn new(path: &[u8]) -> Option<Self> {
        Self::joined(&[path])
    }

    /// The parts one after the other; `None` when they are too long, with the NUL at the end.
    fn joined(parts: &[&[u8]]) -> Option<Self> {
        let mut buffer = Self::empty();
        for part in parts {
            let end = buffer.length + part.len();
            if end >= PATH_MAX {
                return None;
            }
            buffer.bytes[buffer.length..end].copy_from_slice(part);
            buffer.length = end;
        }
        Some(buffer)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// The end of the component that follows position `from`; `None` at the end.
    fn component_end(&self, from: usize) -> Option<usize> {
        let start = from + self.bytes().get(from..)?.iter().position(|byte| *byte != b'/')?;
        let length = self.bytes()[start..].iter().position(|byte| *byte == b'/');
        Some(length.map_or(self.length, |length| start + length))
    }

    /// The bytes between two positions, without slashes in front.
    fn component(&self, start: usize, end: usize) -> &[u8] {
        let bytes = &self.bytes[start..end];
        match bytes.iter().position(|byte| *byte != b'/') {
            Some(first) if start > 0 => &bytes[first..],
            _ => bytes,
        }
    }

    fn rest(&self, from: usize) -> &[u8] {
        &self.bytes[from..self.length]
    }

    /// Calls `look` with the path cut at `end`.
    fn up_to<T>(&mut self, end: usize, look: impl FnOnce(&CStr) -> T) -> T {
        let cut = std::mem::replace(&mut self.bytes[end], 0);
        let seen = look(self.c_str());
        self.bytes[end] = cut;
        seen
    }
}

/// A step that works on `/proc/self/fd/N`, and the target that is put there first.
#[derive(Debug)]
pub struct At<S> {
    /// Where.
    pub target: Target,
    /// What must be there.
    pub wanted: Wanted,
    /// The descriptor that `step` names.
    pub slot: Slot,
    /// What is done there.
    pub step: S,
}

impl<S: Step> Step for At<S> {
    fn run(&self) -> Done {
        let target = self.target.open(self.wanted)?;
        self.slot.fill(target)?;
        self.step.run()
    }

    /// The inner call, with the path that its descriptor stands for.
    fn explain(&self) -> Explanation {
        let Explanation { call, why, man } = self.step.explain();
        let inside = format!("{}{}", crate::plan::ROOTFS, self.target.inside());
        Explanation::new(call.replace(&self.slot.path(), &inside), why, man)
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        self.step.fix(errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn components(path: &str, expected: &[&str]) {
        let path = PathBuffer::new(path.as_bytes()).unwrap();
        let mut found = Vec::new();
        let mut end = 0;
        while let Some(next) = path.component_end(end) {
            found.push(String::from_utf8(path.component(end, next).to_vec()).unwrap());
            end = next;
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_path_is_walked_component_by_component() {
        components("dev/pts", &["dev", "pts"]);
        components("dev//pts/", &["dev", "pts"]);
        components("a", &["a"]);
        components("", &[]);
    }

    #[test]
    fn a_path_longer_than_path_max_is_refused() {
        assert!(Target::new(&"a".repeat(4095)).is_ok());
        assert!(Target::new(&"a".repeat(4096)).is_err());
        assert!(Target::new("a\0b").is_err());
    }

    #[test]
    fn a_target_is_shown_as_the_container_sees_it() {
        assert_eq!(Target::new("/dev/pts").unwrap().inside(), "/dev/pts");
        assert_eq!(Target::new("/").unwrap().inside(), "/");
    }
}
