//! A path inside somebody else's root: resolved by the kernel, and held by a descriptor.
//!
//! A container's root file system is written by strangers. If it holds a link `data -> /etc`, then
//! `mount(.., "ROOTFS/data", ..)` follows it on the *host* (CVE-2021-30465 and its kin). openat2(2)
//! with RESOLVE_IN_ROOT walks the path as the container would, links and `..` included, and cannot
//! leave. What it returns is used through the descriptor and not looked up again, so that nobody
//! can exchange it in between.
//!
//! Nothing here allocates, because the child between clone(2) and execve(2) walks these paths.

use std::{
    ffi::CString,
    fmt,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{AT_FDCWD, OFlag, open},
    sys::stat::Mode,
};

use crate::{
    make::{self, Wanted},
    resolve::resolve,
};

/// A path below a root.
#[derive(Debug, Clone)]
pub struct Inside {
    root: Root,
    path: CString,
    /// Whether the last name may be a link.
    link: bool,
}

/// The directory that counts as `/`.
#[derive(Debug, Clone)]
enum Root {
    /// The working directory, when the path is walked.
    Here,
    /// A directory of ours.
    At(CString),
}

impl Inside {
    /// `path`, as a process would say it whose root is `root`.
    ///
    /// # Errors
    /// A NUL byte in one of them, or a path longer than the kernel takes.
    pub fn new(root: &Path, path: &Path) -> Result<Self> {
        let root = Root::At(c_string(root.as_os_str().as_bytes())?);
        Ok(Self { root, path: relative(path.as_os_str().as_bytes())?, link: true })
    }

    /// `path`, as a process would say it whose root is what will be the working directory when the
    /// path is walked.
    ///
    /// # Errors
    /// A NUL byte, or a path longer than the kernel takes.
    pub fn here(path: &str) -> Result<Self> {
        Ok(Self { root: Root::Here, path: relative(path.as_bytes())?, link: true })
    }

    /// The same where the last name must be a directory and no link to one.
    pub fn no_link(self) -> Self {
        Self { link: false, ..self }
    }

    /// Opens what is there, without reading it (O_PATH).
    ///
    /// # Errors
    /// As openat2(2); ENOENT when it is not there inside.
    pub fn open(&self) -> std::result::Result<OwnedFd, Errno> {
        self.open_as(OFlag::O_PATH)
    }

    /// Opens what is there with these flags.
    ///
    /// # Errors
    /// As openat2(2).
    pub fn open_as(&self, flags: OFlag) -> std::result::Result<OwnedFd, Errno> {
        let root = self.open_root()?;
        resolve(as_root(&root), &self.path, flags | self.last())
    }

    /// Opens what is there, after making what is missing. Idempotent.
    ///
    /// # Errors
    /// As openat2(2) and mkdirat(2); ENOTDIR when a file is in the way, or a link where none may be.
    pub fn make(&self, wanted: Wanted) -> std::result::Result<OwnedFd, Errno> {
        let root = self.open_root()?;
        let (root, place) = (as_root(&root), OFlag::O_PATH | self.last());
        match resolve(root, &self.path, place) {
            Err(Errno::ENOENT) if wanted != Wanted::Existing => {
                make::along(root, &self.path, wanted, self.link)?;
                resolve(root, &self.path, place)
            }
            opened => opened,
        }
    }

    fn last(&self) -> OFlag {
        if self.link { OFlag::empty() } else { OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY }
    }

    /// The working directory needs no descriptor.
    fn open_root(&self) -> std::result::Result<Option<OwnedFd>, Errno> {
        let Root::At(path) = &self.root else { return Ok(None) };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path.as_c_str(), flags, Mode::empty()).map(Some)
    }
}

fn as_root(root: &Option<OwnedFd>) -> BorrowedFd<'_> {
    root.as_ref().map_or(AT_FDCWD, AsFd::as_fd)
}

/// As the container says it, below the name that the root goes by.
impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Here => f.write_str("rootfs/")?,
            Root::At(root) => write!(f, "{}/", root.to_string_lossy())?,
        }
        match self.path.to_string_lossy() {
            root if root == "." => Ok(()),
            path => f.write_str(&path),
        }
    }
}

/// Without a slash in front: openat2(2) then begins at its directory in any case.
fn relative(path: &[u8]) -> Result<CString> {
    let start = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    let path = &path[start..];
    if path.len() >= libc::PATH_MAX as usize {
        return Err(Error::new("cannot use the path")
            .why(format!("it has {} bytes; the kernel takes 4095", path.len()))
            .see("7 path_resolution"));
    }
    c_string(if path.is_empty() { b"." } else { path })
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| {
        Error::new("cannot use the path").why("it contains a NUL byte, which ends a name")
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// A directory of this test alone, gone with the value.
    struct Directory(std::path::PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("lab-06-{}-{name}", std::process::id()));
            fs::create_dir_all(&root).unwrap();
            Self(root)
        }

        fn inside(&self, path: &str) -> Inside {
            Inside::new(&self.0, Path::new(path)).unwrap()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_missing_is_made_inside() {
        let root = Directory::new("made");
        let inside = root.inside("/a/b/c");
        assert_eq!(inside.open().unwrap_err(), Errno::ENOENT);
        assert_eq!(inside.make(Wanted::Existing).unwrap_err(), Errno::ENOENT);
        inside.make(Wanted::File).unwrap();
        inside.make(Wanted::File).unwrap();
        assert!(root.0.join("a/b/c").is_file());
        root.inside("/new/../up/./down").make(Wanted::Directory).unwrap();
        assert!(root.0.join("new").is_dir() && root.0.join("up/down").is_dir());
    }

    #[test]
    fn a_link_to_the_host_leads_inside() {
        let root = Directory::new("link");
        symlink("/etc", root.0.join("data")).unwrap();
        symlink("../../..", root.0.join("up")).unwrap();
        for path in ["/data/x", "/up/etc/x", "/../../etc/x"] {
            root.inside(path).make(Wanted::Directory).unwrap();
        }
        assert!(!Path::new("/etc/x").exists());
        assert!(root.0.join("etc/x").is_dir());
        root.inside("/data/y").make(Wanted::Directory).unwrap();
        assert!(root.0.join("etc/y").is_dir());
    }

    #[test]
    fn what_a_dangling_link_points_at_is_made() {
        let root = Directory::new("dangling");
        fs::create_dir(root.0.join("etc")).unwrap();
        symlink("../run/resolv.conf", root.0.join("etc/resolv.conf")).unwrap();
        root.inside("/etc/resolv.conf").make(Wanted::File).unwrap();
        assert!(root.0.join("run/resolv.conf").is_file());
        symlink("//lab-06-slashes", root.0.join("slashes")).unwrap();
        root.inside("/slashes").make(Wanted::File).unwrap();
        assert!(!Path::new("/lab-06-slashes").exists());
        assert!(root.0.join("lab-06-slashes").is_file());
        symlink("circle", root.0.join("circle")).unwrap();
        assert_eq!(root.inside("/circle").make(Wanted::File).unwrap_err(), Errno::ELOOP);
    }

    #[test]
    fn a_link_can_be_refused_as_the_last_name() {
        let root = Directory::new("last");
        fs::create_dir(root.0.join("real")).unwrap();
        symlink("real", root.0.join("link")).unwrap();
        symlink("nowhere", root.0.join("dangling")).unwrap();
        for path in ["/link", "/dangling"] {
            let refused = root.inside(path).no_link().make(Wanted::Directory).unwrap_err();
            assert_eq!(refused, Errno::ENOTDIR, "{path}");
        }
        assert!(!root.0.join("nowhere").exists());
        root.inside("/link/new").no_link().make(Wanted::Directory).unwrap();
        assert!(root.0.join("real/new").is_dir());
    }

    #[test]
    fn a_path_longer_than_path_max_is_refused() {
        assert!(Inside::here(&"a".repeat(4095)).is_ok());
        assert!(Inside::here(&"a".repeat(4096)).is_err());
        assert!(Inside::here("a\0b").is_err());
    }

    #[test]
    fn a_path_is_shown_as_the_container_sees_it() {
        assert_eq!(Inside::here("/dev/pts").unwrap().to_string(), "rootfs/dev/pts");
        assert_eq!(Inside::here("/").unwrap().to_string(), "rootfs/");
    }
}
