//! A path inside somebody else's root: resolved by the kernel, and held by a descriptor.
//!
//! A container's root file system is written by strangers. If it holds a link `data -> /etc`, then
//! `mount(.., "ROOTFS/data", ..)` follows it on the *host* (CVE-2021-30465 and its kin). openat2(2)
//! with RESOLVE_IN_ROOT walks the path as the container would, links and `..` included, and cannot
//! leave. What it returns is used through the descriptor and not looked up again, so that nobody
//! can exchange it in between: the mount goes to `/proc/self/fd/N`.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsRawFd, OwnedFd, RawFd},
    os::unix::ffi::OsStrExt,
    path::{Component, Path},
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::{Mode, mkdirat},
};

/// A path below a root, prepared so that a child can walk it without allocating.
#[derive(Debug, Clone)]
pub struct Inside {
    root: CString,
    path: CString,
    /// Every beginning of the path, shortest first, and the name it ends with.
    beginnings: Vec<(CString, CString)>,
}

/// What a mount point is made as where there is none: it has to be of its source's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// For a directory.
    Directory,
    /// For anything else.
    File,
}

impl Inside {
    /// `path`, as a process would say it whose root is `root`.
    ///
    /// # Errors
    /// A NUL byte in one of them.
    pub fn new(root: &Path, path: &Path) -> Result<Self> {
        let mut beginnings = Vec::new();
        let mut walked = Vec::from(b".");
        for part in path.components() {
            let name = match part {
                Component::Normal(name) => name.as_bytes(),
                Component::ParentDir => b"..",
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            };
            walked.push(b'/');
            walked.extend(name);
            beginnings.push((c_string(walked.clone())?, c_string(name)?));
        }
        Ok(Self {
            root: c_string(root.as_os_str().as_bytes())?,
            path: c_string(walked)?,
            beginnings,
        })
    }

    /// Opens what is there, without reading it (O_PATH).
    ///
    /// # Errors
    /// As openat2(2); ENOENT when it is not there inside.
    pub fn open(&self) -> std::result::Result<OwnedFd, Errno> {
        self.resolve(&self.open_root()?, &self.path)
    }

    // ANCHOR: create
    /// Opens what is there, after making the directories that are missing on the way and, as its
    /// `shape` has it, the last name. Idempotent.
    ///
    /// # Errors
    /// As openat2(2) and mkdirat(2); ENOTDIR when a file is in the way.
    pub fn create(&self, shape: Shape) -> std::result::Result<OwnedFd, Errno> {
        let root = self.open_root()?;
        let mut parent = self.resolve(&root, c".")?;
        for (index, (beginning, name)) in self.beginnings.iter().enumerate() {
            let last = index + 1 == self.beginnings.len();
            parent = match self.resolve(&root, beginning) {
                Err(Errno::ENOENT) => {
                    let shape = if last { shape } else { Shape::Directory };
                    make(&parent, name, shape)?;
                    self.resolve(&root, beginning)?
                }
                found => found?,
            };
        }
        Ok(parent)
    }
    // ANCHOR_END: create

    fn open_root(&self) -> std::result::Result<OwnedFd, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(self.root.as_c_str(), flags, Mode::empty())
    }

    fn resolve(&self, root: &OwnedFd, path: &CStr) -> std::result::Result<OwnedFd, Errno> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(root, path, how)
    }
}

impl std::fmt::Display for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "{}{}", self.root.to_string_lossy(), path.trim_start_matches('.'))
    }
}

fn make(parent: &OwnedFd, name: &CStr, shape: Shape) -> std::result::Result<(), Errno> {
    let made = match shape {
        Shape::Directory => mkdirat(parent, name, Mode::from_bits_truncate(0o755)),
        Shape::File => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            nix::fcntl::openat(parent, name, flags, Mode::from_bits_truncate(0o644)).map(drop)
        }
    };
    match made {
        // A dangling link lands here too: the second look at the name says ENOENT.
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

/// The path by which mount(2) reaches an open file, written without allocating.
#[derive(Debug, Clone, Copy)]
pub struct FdPath([u8; 32]);

impl FdPath {
    /// `/proc/self/fd/N`. Good for as long as the descriptor is open, and where `/proc` is mounted.
    pub fn of(fd: &OwnedFd) -> Self {
        const PREFIX: &[u8] = b"/proc/self/fd/";
        let mut path = [0; 32];
        let (prefix, digits) = path.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        write_decimal(fd.as_raw_fd(), digits);
        Self(path)
    }

    /// As mount(2) takes it.
    pub fn as_c_str(&self) -> &CStr {
        // There is always a NUL: the prefix and ten digits leave room.
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

fn write_decimal(number: RawFd, digits: &mut [u8]) {
    let length = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut rest = number;
    for digit in digits.iter_mut().take(length).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn c_string(bytes: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(bytes).map_err(|_| {
        Error::new("cannot use the path").why("it contains a NUL byte, which ends a name")
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// A directory of this test alone, gone with the value.
    struct Root(std::path::PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("lab-06-{}-{name}", std::process::id()));
            fs::create_dir_all(&root).unwrap();
            Self(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_missing_is_made_inside() {
        let root = Root::new("made");
        let inside = Inside::new(&root.0, Path::new("/a/b/c")).unwrap();
        assert_eq!(inside.open().unwrap_err(), Errno::ENOENT);
        inside.create(Shape::File).unwrap();
        inside.create(Shape::File).unwrap();
        assert!(root.0.join("a/b/c").is_file());
    }

    #[test]
    fn a_link_to_the_host_leads_inside() {
        let root = Root::new("link");
        symlink("/etc", root.0.join("data")).unwrap();
        symlink("../../..", root.0.join("up")).unwrap();
        for path in ["/data/x", "/up/etc/x", "/../../etc/x"] {
            Inside::new(&root.0, Path::new(path)).unwrap().create(Shape::Directory).ok();
        }
        assert!(!Path::new("/etc/x").exists());
        // /data leads to /etc inside, which is there since /up/etc/x was made.
        let inside = Inside::new(&root.0, Path::new("/data/y")).unwrap();
        inside.create(Shape::Directory).unwrap();
        assert!(root.0.join("etc/y").is_dir());
    }

    #[test]
    fn a_descriptor_has_a_path() {
        for number in [0, 7, 10, 19_999, i32::MAX] {
            let mut digits = [0; 18];
            write_decimal(number, &mut digits);
            let text = CStr::from_bytes_until_nul(&digits).unwrap();
            assert_eq!(text.to_str().unwrap(), number.to_string());
        }
    }
}
