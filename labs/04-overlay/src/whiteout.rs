//! Whiteouts: a layer cannot lack a file of the layer below, it can only say "gone".
//!
//! The kernel writes "gone" as a character device 0:0, and "nothing from below" on a directory as
//! the attribute `overlay.opaque`. A layer of an image is a tar archive that any system must be
//! able to hold, so there the same two marks are spelled as empty files: `.wh.NAME` and
//! `.wh..wh..opq`. Documentation/filesystems/overlayfs.rst; image-spec layer.md, "Whiteouts".

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Result};
use nix::sys::stat::{Mode, SFlag, mknod};

/// The inode of the first user namespace in `/proc/self/ns/user`, fixed in the kernel's
/// include/uapi/linux/nsfs.h (PROC_USER_INIT_INO).
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// Where an overlay keeps its own attributes: which names it believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.*`, which only the host's root sees and sets. The default.
    Trusted,
    /// `user.overlay.*`, the option `userxattr` (Linux 5.11+): what a user namespace can have.
    User,
}

impl Marks {
    /// The marks that an overlay mounted by this process can use: `trusted.*` in the first user
    /// namespace, `user.*` in every other.
    pub fn here() -> Self {
        match fs::metadata("/proc/self/ns/user") {
            Ok(namespace) if namespace.ino() != INITIAL_USER_NAMESPACE => Self::User,
            // A kernel without user namespaces has no such file, and only the first.
            _ => Self::Trusted,
        }
    }

    /// The full name of an attribute: `opaque` is `trusted.overlay.opaque`.
    pub fn name(self, attribute: &str) -> String {
        match self {
            Self::Trusted => format!("trusted.overlay.{attribute}"),
            Self::User => format!("user.overlay.{attribute}"),
        }
    }

    /// The value of an attribute of `path` itself (a symbolic link is not followed), if it has it.
    ///
    /// A file system that cannot have such attributes has none.
    ///
    /// # Errors
    /// As lgetxattr(2), but for ENODATA and ENOTSUP.
    pub fn get(self, path: &Path, attribute: &str) -> Result<Option<Vec<u8>>> {
        let name = self.name(attribute);
        match xattr::get(path, &name) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOTSUP as i32) => Ok(None),
            Err(error) => Err(Error::new("cannot read an overlay attribute")
                .io(format_args!("lgetxattr {} {name}", path.display()), &error)
                .see("2 lgetxattr")),
            Ok(value) => Ok(value),
        }
    }
}

/// Whether the file is a whiteout: a character device 0:0.
pub fn is_whiteout(file: &Metadata) -> bool {
    file.file_type().is_char_device() && file.rdev() == 0
}

/// What a directory of a layer says about the layers below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opacity {
    /// Its entries are added to those below.
    Merged,
    /// `overlay.opaque` = `y`: nothing below is seen.
    Opaque,
    /// `overlay.opaque` = `x` (Linux 6.7+): merged, and empty regular files in it that have the
    /// attribute `overlay.whiteout` are whiteouts. That is how a layer that is itself kept in an
    /// overlay, where a device 0:0 would be eaten, can hold whiteouts.
    Xwhiteouts,
}

/// Reads the opacity of the directory `dir`.
///
/// # Errors
/// As [`Marks::get`].
pub fn opacity(dir: &Path, marks: Marks) -> Result<Opacity> {
    Ok(match marks.get(dir, "opaque")?.as_deref() {
        Some(b"y") => Opacity::Opaque,
        Some(b"x") => Opacity::Xwhiteouts,
        _ => Opacity::Merged,
    })
}

/// Whether `path`, in a directory of [`Opacity::Xwhiteouts`], is a whiteout by its attribute.
///
/// # Errors
/// As [`Marks::get`].
pub fn is_xattr_whiteout(path: &Path, file: &Metadata, marks: Marks) -> Result<bool> {
    Ok(file.is_file() && file.len() == 0 && marks.get(path, "whiteout")?.is_some())
}

/// Makes a whiteout at `path`. An ordinary user may too (Linux 5.8+), though no other device.
///
/// # Errors
/// EEXIST when something is there: remove it first. EPERM from a security module or an old kernel.
pub fn make_whiteout(path: &Path) -> Result<()> {
    // ANCHOR: whiteout
    mknod(path, SFlag::S_IFCHR, Mode::empty(), 0).map_err(|errno| {
        let call = format!("mknod({path:?}, S_IFCHR, makedev(0, 0))");
        let error = Error::new("cannot make a whiteout").call(&call, errno).see("2 mknod");
        match errno {
            Errno::EEXIST => error.fix("remove what is there first: a whiteout replaces it"),
            Errno::EPERM => error.fix(
                "ordinary users need Linux 5.8 for this; before, only an overlay's own unlink(2) makes one",
            ),
            _ => error,
        }
    })
    // ANCHOR_END: whiteout
}

/// Marks the directory `dir` as opaque.
///
/// # Errors
/// EPERM when the marks are [`Marks::Trusted`] and we are not the host's root; ENOTSUP when the
/// file system has no such attributes (tmpfs has `user.*` since Linux 6.6).
pub fn make_opaque(dir: &Path, marks: Marks) -> Result<()> {
    let name = marks.name("opaque");
    xattr::set(dir, &name, b"y").map_err(|error| {
        Error::new("cannot mark a directory as opaque")
            .io(format_args!("setxattr {} {name}=y", dir.display()), &error)
            .see("7 xattr")
            .fix("inside a user namespace use user.overlay.opaque, on a file system that has user attributes")
    })
}

const OCI_PREFIX: &[u8] = b".wh.";
const OCI_OPAQUE: &[u8] = b".wh..wh..opq";
const OCI_RESERVED: &[u8] = b".wh..wh.";

/// What the name of an entry in an image layer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OciEntry {
    /// A file of its own.
    File,
    /// `.wh.NAME`: this path is gone.
    Whiteout(PathBuf),
    /// `.wh..wh..opq`: nothing from below in this directory.
    Opaque(PathBuf),
    /// Another name with the prefix `.wh..wh.`: left over from aufs, to be passed over.
    Reserved,
}

impl OciEntry {
    /// Reads the path of an entry, as in `etc/.wh.passwd`.
    ///
    /// # Errors
    /// A whiteout of nothing, of `.` or of `..`: such an archive is broken, or meant to break us.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let parent = path.parent().unwrap_or(Path::new(""));
        let Some(hidden) = name.strip_prefix(OCI_PREFIX) else { return Ok(Self::File) };
        if name == OCI_OPAQUE {
            return Ok(Self::Opaque(parent.to_owned()));
        }
        if name.starts_with(OCI_RESERVED) {
            return Ok(Self::Reserved);
        }
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            return Err(Error::new("the layer has a whiteout without a name")
                .why(format!("entry {path:?}"))
                .fix("get the image again; if it is your own, rebuild it"));
        }
        Ok(Self::Whiteout(parent.join(OsStr::from_bytes(hidden))))
    }

    /// The path of the entry that says that `gone` is gone: `etc/passwd` is `etc/.wh.passwd`.
    pub fn whiteout_path(gone: &Path) -> PathBuf {
        let name = gone.file_name().unwrap_or_default().as_bytes();
        gone.with_file_name(OsStr::from_bytes(&[OCI_PREFIX, name].concat()))
    }

    /// The path of the entry that makes the directory `dir` opaque.
    pub fn opaque_path(dir: &Path) -> PathBuf {
        dir.join(OsStr::from_bytes(OCI_OPAQUE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: OciEntry) {
        assert_eq!(OciEntry::read(Path::new(path)).unwrap(), expected);
    }

    #[test]
    fn an_image_layer_spells_whiteouts_as_names() {
        check("etc/passwd", OciEntry::File);
        check("etc/.wh.passwd", OciEntry::Whiteout("etc/passwd".into()));
        check(".wh.etc", OciEntry::Whiteout("etc".into()));
        check("etc/.wh..wh..opq", OciEntry::Opaque("etc".into()));
        check(".wh..wh..opq", OciEntry::Opaque("".into()));
        check(".wh..wh.plnk", OciEntry::Reserved);
        check("etc/.what", OciEntry::File);
        check("etc/.wh..hidden", OciEntry::Whiteout("etc/.hidden".into()));
    }

    #[test]
    fn a_whiteout_of_the_parent_directory_is_refused() {
        for path in ["etc/.wh.", "etc/.wh..", ".wh..."] {
            assert!(OciEntry::read(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn both_directions_agree() {
        for path in ["a", "a/b", "a/..b", "a/ö x"] {
            let spelled = OciEntry::whiteout_path(Path::new(path));
            assert_eq!(OciEntry::read(&spelled).unwrap(), OciEntry::Whiteout(path.into()));
        }
        let spelled = OciEntry::opaque_path(Path::new("a/b"));
        assert_eq!(OciEntry::read(&spelled).unwrap(), OciEntry::Opaque("a/b".into()));
    }

    #[test]
    fn marks_have_two_spellings() {
        assert_eq!(Marks::Trusted.name("opaque"), "trusted.overlay.opaque");
        assert_eq!(Marks::User.name("opaque"), "user.overlay.opaque");
    }
}
