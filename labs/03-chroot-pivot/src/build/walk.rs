//! Path resolution by hand: what the kernel does with a path, one component at a time.
//!
//! The kernel follows symbolic links silently. A copy needs every one of them (`/lib` is a link to
//! `usr/lib` on most machines, and the loader's path leads through it), and a look into somebody
//! else's root must not leave it. So the walk is done here, below a root of choice, and remembered.
//! See path_resolution(7).

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

/// The kernel's own limit (ELOOP).
const MAX_LINKS: usize = 40;

/// What was passed on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Symbolic links: where, and what they read. Absolute paths below the root.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Where the path ends, with no link left in it; absolute, below the root.
    pub end: PathBuf,
}

/// Resolves the absolute `path` as a process whose root directory is `root` would.
///
/// # Errors
/// ENOENT, ENOTDIR, EACCES as lstat(2); ELOOP after 40 links.
pub fn walk(root: &Path, path: &Path) -> io::Result<Walk> {
    let mut walk = Walk { links: Vec::new(), end: PathBuf::from("/") };
    let mut rest = components(path);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            // "/.." is "/": pop() does nothing there.
            walk.end.pop();
            continue;
        }
        let here = walk.end.join(&name);
        let on_disk = below(root, &here);
        if !fs::symlink_metadata(&on_disk)?.is_symlink() {
            walk.end = here;
            continue;
        }
        if walk.links.len() == MAX_LINKS {
            return Err(io::Error::from_raw_os_error(nix::errno::Errno::ELOOP as i32));
        }
        let target = fs::read_link(&on_disk)?;
        if target.has_root() {
            walk.end = PathBuf::from("/");
        }
        for name in components(&target).into_iter().rev() {
            rest.push_front(name);
        }
        walk.links.push((here, target));
    }
    Ok(walk)
}

/// The place on disk of `path`, absolute below `root`.
pub(crate) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir))
        .map(|component| component.as_os_str().to_owned())
        .filter(|name| !name.as_bytes().is_empty())
        .collect()
}
