//! Making what is missing of a path inside a strange root, name by name.
//!
//! Each beginning of the path is resolved by openat2(2) from the root again, so a directory that is
//! exchanged for a link meanwhile still leads nowhere but inside. The path is cut and joined in a
//! fixed place: whoever walks it is between clone(2) and execve(2), and must not allocate.

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use ground::Errno;
use nix::{
    fcntl::{OFlag, openat},
    sys::stat::{Mode, mkdirat},
};

use crate::{resolve::resolve, sys};

/// How many dangling links are followed before it is called a circle, as the kernel does.
const LINKS_MAX: usize = 40;

/// The longest path, with its NUL.
const PATH_MAX: usize = libc::PATH_MAX as usize;

/// What has to be at a path, and is made when it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It must be there already.
    Existing,
    /// A directory, with those above it.
    Directory,
    /// A file, empty if it is made, with the directories above it.
    File,
}

impl Wanted {
    /// A mount point has to be of its source's kind.
    pub fn like(source: &std::fs::Metadata) -> Self {
        if source.is_dir() { Self::Directory } else { Self::File }
    }
}

/// Makes what is missing of `path` below `root`; a dangling link as the last name only if `link`.
pub(crate) fn along(
    root: BorrowedFd<'_>,
    path: &CStr,
    wanted: Wanted,
    link: bool,
) -> Result<(), Errno> {
    let mut path = Cut::new(path.to_bytes()).ok_or(Errno::ENAMETOOLONG)?;
    for _ in 0..LINKS_MAX {
        match (Walk { root, wanted, link }).once(&mut path)? {
            Some(dangling) => path = dangling,
            None => return Ok(()),
        }
    }
    Err(Errno::ELOOP)
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    wanted: Wanted,
    link: bool,
}

impl Walk<'_> {
    // ANCHOR: make
    /// One walk. `Some` is the path to go on with, when a name is a link to nowhere: what it points
    /// at is made, as runc does (an image's /etc/resolv.conf is often such a link).
    fn once(&self, path: &mut Cut) -> Result<Option<Cut>, Errno> {
        let (mut parent, mut end) = self.deepest(path)?;
        while let Some(next) = path.name_end(end) {
            let name = Cut::new(path.name(end, next)).ok_or(Errno::ENAMETOOLONG)?;
            let last = path.name_end(next).is_none();
            let made = self.make(&parent, name.c_str(), last);
            if last && made.is_ok() {
                break;
            }
            match (made, path.up_to(next, |beginning| self.resolve(beginning))) {
                // Made; or it is `..`, or somebody else was faster.
                (Ok(()) | Err(Errno::EEXIST), Ok(there)) => parent = there,
                (Err(Errno::EEXIST), _) if last && !self.link => return Err(Errno::ENOTDIR),
                (Err(Errno::EEXIST), _) => {
                    return path.through(&parent, &name, end, next).map(Some);
                }
                (made, there) => return made.and(there.map(|_| None)),
            }
            end = next;
        }
        Ok(None)
    }
    // ANCHOR_END: make

    /// The deepest directory of the path that is there, and where its name ends: mostly it is the
    /// one that only the last name is missing in.
    fn deepest(&self, path: &mut Cut) -> Result<(OwnedFd, usize), Errno> {
        let mut end = path.length;
        loop {
            end = path.parent_end(end);
            match path.up_to(end, |beginning| self.resolve(beginning)) {
                Err(Errno::ENOENT) if end > 0 => {}
                there => return there.map(|it| (it, end)),
            }
        }
    }

    fn resolve(&self, beginning: &CStr) -> Result<OwnedFd, Errno> {
        let beginning = if beginning.is_empty() { c"." } else { beginning };
        resolve(self.root, beginning, OFlag::O_PATH)
    }

    fn make(&self, parent: &OwnedFd, name: &CStr, last: bool) -> Result<(), Errno> {
        if last && self.wanted == Wanted::File {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            return openat(parent, name, flags, Mode::from_bits_truncate(0o644)).map(drop);
        }
        mkdirat(parent, name, Mode::from_bits_truncate(0o755))
    }
}

/// A path in a fixed place.
struct Cut {
    bytes: [u8; PATH_MAX],
    length: usize,
}

impl Cut {
    fn new(path: &[u8]) -> Option<Self> {
        Self::joined(&[path])
    }

    /// The parts one after the other; `None` when they are too long, with the NUL at the end.
    fn joined(parts: &[&[u8]]) -> Option<Self> {
        let mut joined = Self { bytes: [0; PATH_MAX], length: 0 };
        for part in parts {
            let end = joined.length + part.len();
            if end >= PATH_MAX {
                return None;
            }
            joined.bytes[joined.length..end].copy_from_slice(part);
            joined.length = end;
        }
        Some(joined)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// The end of the name that follows position `from`; `None` at the end.
    fn name_end(&self, from: usize) -> Option<usize> {
        let start = from + self.bytes().get(from..)?.iter().position(|byte| *byte != b'/')?;
        let length = self.bytes()[start..].iter().position(|byte| *byte == b'/');
        Some(length.map_or(self.length, |length| start + length))
    }

    /// The end of what is left of the first `end` bytes without their last name.
    fn parent_end(&self, end: usize) -> usize {
        let before = |end: usize, slashes: bool| {
            let kept = self.bytes[..end].iter().rposition(|byte| (*byte == b'/') != slashes);
            kept.map_or(0, |last| last + 1)
        };
        before(before(before(end, true), false), true)
    }

    /// The bytes between two positions, without slashes in front: with one, the name would lead to
    /// the host's root.
    fn name(&self, start: usize, end: usize) -> &[u8] {
        let bytes = &self.bytes[start..end];
        let first = bytes.iter().position(|byte| *byte != b'/').unwrap_or(bytes.len());
        &bytes[first..]
    }

    /// Calls `look` with the path cut at `end`.
    fn up_to<T>(&mut self, end: usize, look: impl FnOnce(&CStr) -> T) -> T {
        let cut = std::mem::replace(&mut self.bytes[end], 0);
        let seen = look(self.c_str());
        self.bytes[end] = cut;
        seen
    }

    /// The path with the link `name`, which lies between two positions, replaced by what it says.
    fn through(
        &self,
        parent: &OwnedFd,
        name: &Self,
        start: usize,
        end: usize,
    ) -> Result<Self, Errno> {
        let mut link = Self { bytes: [0; PATH_MAX], length: 0 };
        let room = &mut link.bytes[..PATH_MAX - 1];
        link.length = match sys::readlinkat(parent.as_fd(), name.c_str(), room) {
            // No link: somebody else has just made it, and the walk goes on.
            Err(Errno::EINVAL) => return Self::new(self.bytes()).ok_or(Errno::ENAMETOOLONG),
            read => read?,
        };
        let rest = &self.bytes[end..self.length];
        let joined = match link.bytes() {
            [b'/', absolute @ ..] => Self::joined(&[absolute, rest]),
            relative if start == 0 => Self::joined(&[relative, rest]),
            relative => Self::joined(&[self.name(0, start), b"/", relative, rest]),
        };
        joined.ok_or(Errno::ENAMETOOLONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn names(path: &str, expected: &[&str]) {
        let path = Cut::new(path.as_bytes()).unwrap();
        let mut found = Vec::new();
        let mut end = 0;
        while let Some(next) = path.name_end(end) {
            found.push(String::from_utf8(path.name(end, next).to_vec()).unwrap());
            end = next;
        }
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn parents(path: &str, expected: &[&str]) {
        let cut = Cut::new(path.as_bytes()).unwrap();
        let mut found = Vec::new();
        let mut end = path.len();
        while end > 0 {
            end = cut.parent_end(end);
            found.push(&path[..end]);
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_path_is_walked_name_by_name() {
        names("dev/pts", &["dev", "pts"]);
        names("dev//pts/", &["dev", "pts"]);
        names("//dev", &["dev"]);
        names("a", &["a"]);
        names("", &[]);
    }

    #[test]
    fn what_is_there_is_looked_for_from_the_end() {
        parents("sys/fs/cgroup", &["sys/fs", "sys", ""]);
        parents("dev//pts/", &["dev", ""]);
        parents("/a", &[""]);
    }
}
