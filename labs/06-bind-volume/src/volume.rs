//! A volume for a container that is not running yet: a bind to a path inside its root.

use std::{
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::mount::{MsFlags, mount};

use crate::{Access, Bind, FdPath, Inside, SetReadOnly, Shape};

/// The steps of one volume: `source`, a path of the host, at `target` of the container with its
/// root at `root`. To be run in the container's mount namespace, before the pivot: afterwards there
/// is no path to `source` left.
///
/// The mount point is made when it is missing, and then stays in the root file system, empty: that
/// is what a commit sees of a volume. The mount itself goes with the mount namespace.
///
/// # Errors
/// A source that does not exist, or a path with a NUL byte.
pub fn volume(
    source: &Path,
    root: &Path,
    target: &Path,
    access: Access,
) -> Result<Vec<Box<dyn Step>>> {
    let mut steps: Vec<Box<dyn Step>> = vec![Box::new(BindInside::new(source, root, target)?)];
    if access == Access::ReadOnly {
        steps.push(Box::new(ReadOnlyInside { target: Inside::new(root, target)? }));
    }
    Ok(steps)
}

/// Makes the mount point inside, and binds `source` on it.
#[derive(Debug)]
pub struct BindInside {
    source: CString,
    shape: Shape,
    target: Inside,
}

impl BindInside {
    /// `source`, a path of the host, at `target` of the root at `root`.
    ///
    /// # Errors
    /// A source that does not exist: Docker makes a directory then, and a misspelt path goes
    /// unnoticed; we ask.
    pub fn new(source: &Path, root: &Path, target: &Path) -> Result<Self> {
        let file = std::fs::metadata(source).map_err(|error| {
            Error::new(format!("cannot use {} as a volume", source.display()))
                .io(format_args!("stat {}", source.display()), &error)
                .fix(format!("create it first: mkdir -p {}", source.display()))
        })?;
        let shape = if file.is_dir() { Shape::Directory } else { Shape::File };
        let source = CString::new(source.as_os_str().as_bytes())
            .map_err(|_| Error::new("a path has no NUL byte"))?;
        Ok(Self { source, shape, target: Inside::new(root, target)? })
    }

    /// The call for `source` at `target`, whether they exist or not: for plans.
    pub fn planned(source: &Path, target: impl std::fmt::Display) -> Explanation {
        Explanation::new(
            format!("mount({source:?}, \"{target}\", NULL, MS_BIND|MS_REC, NULL)"),
            "the volume: both paths lead to the same inodes. The target is opened with openat2(2), \
             RESOLVE_IN_ROOT, so that no link in the image leads it astray",
            "2 mount",
        )
    }
}

impl Step for BindInside {
    fn run(&self) -> std::result::Result<(), Errno> {
        let target = self.target.create(self.shape)?;
        let none = None::<&CStr>;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(self.source.as_c_str()), FdPath::of(&target).as_c_str(), none, flags, none)
    }

    fn explain(&self) -> Explanation {
        Self::planned(Path::new(OsStr::from_bytes(self.source.to_bytes())), &self.target)
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ENOTDIR => {
                Some("a file of the image is in the way of the target: choose another")
            }
            Errno::EROFS => Some("the image cannot be written, so the target must exist in it"),
            Errno::ELOOP => Some("the image's links lead in a circle: choose another target"),
            Errno::ENOSYS => Some("openat2(2) came with Linux 5.6; uname -r shows this one"),
            errno => Bind::new(c"", c"").fix(errno),
        }
    }
}

/// Makes the volume at a path inside, and all mounts below it, read-only.
#[derive(Debug)]
pub struct ReadOnlyInside {
    target: Inside,
}

impl Step for ReadOnlyInside {
    fn run(&self) -> std::result::Result<(), Errno> {
        SetReadOnly::at(FdPath::of(&self.target.open()?).as_c_str())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!(
                "mount_setattr(AT_FDCWD, \"{}\", AT_RECURSIVE, {{attr_set=MOUNT_ATTR_RDONLY}})",
                self.target
            ),
            "`:ro` is a second step: the bind ignored every flag but MS_REC",
            "2 mount_setattr",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        SetReadOnly::new(c"").fix(errno)
    }
}
