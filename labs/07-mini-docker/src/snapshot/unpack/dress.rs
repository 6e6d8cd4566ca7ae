//! Dressing: owner, mode, attributes and time of what was made for an entry.
//!
//! What the file system or our privilege does not allow is left out or kept beside the layer, as
//! Docker does: an image does not become useless by an attribute that is missing.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, RawFd},
    path::PathBuf,
};

use ground::Errno;
use nix::{
    fcntl::{AT_FDCWD, AtFlags},
    sys::stat::{FchmodatFlags, UtimensatFlags, fchmod, fchmodat, futimens, utimensat},
    unistd::{Gid, Uid, chown, fchown, fchownat},
};

use super::{
    apply::Applier,
    entry::{Entry, Kind},
    failed::{Failed, by},
    inside::Place,
};
use crate::snapshot::Kept;

/// Attributes that make up access control lists (man 5 acl).
const ACCESS_LISTS: &str = "system.posix_acl";

type Result<T> = std::result::Result<T, Failed>;

impl Applier {
    /// Whether a file that was just made with the entry's permissions has its owner and mode.
    pub(super) fn is_born_right(&self, entry: &Entry, place: &Place) -> bool {
        self.is_born_owned(entry, place) && self.inside.birth().permits(entry.mode)
    }

    fn is_born_owned(&self, entry: &Entry, place: &Place) -> bool {
        place.is_plain() && self.inside.birth().owns(entry.uid, entry.gid)
    }

    /// A file that was just made and written.
    pub(super) fn dress_file(&mut self, entry: &Entry, place: &Place, file: &File) -> Result<()> {
        if !self.is_born_right(entry, place) {
            self.own(entry, |uid, gid| fchown(file, uid, gid).map_err(by("fchown")))?;
            // After the owner: chown(2) takes the set-user-ID bit away.
            fchmod(file, entry.permissions()).map_err(by("fchmod"))?;
        }
        self.attributes(entry, || PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())))?;
        futimens(file, &entry.mtime, &entry.mtime).map_err(by("futimens"))
    }

    /// A directory that is open; its time has to wait.
    pub(super) fn dress_directory(&mut self, entry: &Entry, dir: RawFd) -> Result<()> {
        let path = PathBuf::from(format!("/proc/self/fd/{dir}"));
        self.own(entry, |uid, gid| chown(&path, uid, gid).map_err(by("chown")))?;
        fchmodat(AT_FDCWD, &path, entry.permissions(), FchmodatFlags::FollowSymlink)
            .map_err(by("fchmodat"))?;
        self.attributes(entry, || path.clone())?;
        self.inside.changed(&entry.path);
        self.times.push((entry.path.clone(), entry.mtime));
        Ok(())
    }

    /// What cannot or must not be opened.
    pub(super) fn dress_node(&mut self, entry: &Entry, place: &Place) -> Result<()> {
        let name = place.name.as_os_str();
        if !self.is_born_owned(entry, place) {
            let no_follow = AtFlags::AT_SYMLINK_NOFOLLOW;
            self.own(entry, |uid, gid| {
                fchownat(place.parent(), name, uid, gid, no_follow).map_err(by("fchownat"))
            })?;
        }
        self.dress_owned(entry, place)
    }

    /// The same where the owner is settled.
    pub(super) fn dress_owned(&mut self, entry: &Entry, place: &Place) -> Result<()> {
        let name = place.name.as_os_str();
        let path = place.path();
        if !matches!(entry.kind, Kind::Symlink(_)) {
            fchmodat(AT_FDCWD, &path, entry.permissions(), FchmodatFlags::FollowSymlink)
                .map_err(by("fchmodat"))?;
        }
        // A link is not followed.
        self.set_attributes(entry, |name, value| xattr::set(&path, name, value))?;
        let flags = UtimensatFlags::NoFollowSymlink;
        utimensat(place.parent(), name, &entry.mtime, &entry.mtime, flags).map_err(by("utimensat"))
    }

    /// The attributes of what is open. The path leads through a descriptor to it.
    fn attributes(&mut self, entry: &Entry, path: impl FnOnce() -> PathBuf) -> Result<()> {
        if entry.xattrs.is_empty() {
            return Ok(());
        }
        let path = path();
        self.set_attributes(entry, |name, value| xattr::set_deref(&path, name, value))
    }

    fn set_attributes(
        &mut self,
        entry: &Entry,
        set: impl Fn(&str, &[u8]) -> io::Result<()>,
    ) -> Result<()> {
        for (name, value) in &entry.xattrs {
            if name.starts_with(ACCESS_LISTS) {
                self.inside.inherits();
            }
            if let Err(error) = set(name, value)
                && matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
            {
                return Err(by("setxattr")(Errno::ENOSPC));
            }
        }
        Ok(())
    }

    /// Sets the owner, or keeps it where such an id cannot be set.
    fn own(
        &mut self,
        entry: &Entry,
        chown: impl FnOnce(Option<Uid>, Option<Gid>) -> Result<()>,
    ) -> Result<()> {
        let Entry { uid, gid, .. } = *entry;
        if self.mapped.has(uid, gid) {
            return chown(Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        }
        self.kept.keep(&entry.path, Kept { uid, gid, device: None });
        Ok(())
    }
}
