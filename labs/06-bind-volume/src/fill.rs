//! The first content of a volume: what the image has at its place, copied once.
//!
//! A bind mount covers what is at its target. For a directory of the host that is what the reader
//! asked for; but an image may have files in the place of a volume (`VOLUME /var/lib/mysql`), made
//! for it to begin with. So an engine copies them into a volume that is still empty, before it is
//! mounted. The kernel has no part in this.

use std::{
    fs, io,
    os::unix::fs::{
        DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink,
    },
    path::Path,
};

use ground::{Error, Explanation, Result};
use nix::sys::stat::{Mode, SFlag, mknod};

/// Fills an empty volume with what the image has at `from`, owners, modes and times included. Does
/// nothing when the volume has something, or the image no directory there.
///
/// Not atomic: a copy that breaks off leaves a volume that is no longer empty.
///
/// # Errors
/// As the file operations.
pub fn fill(data: &Path, from: &Path) -> Result<()> {
    let is_empty = |dir: &Path| fs::read_dir(dir).map(|mut entries| entries.next().is_none());
    let fill = || -> io::Result<()> {
        if !from.is_dir() || !is_empty(data)? {
            return Ok(());
        }
        copy_entries(from, data)?;
        dress(&fs::metadata(from)?, data)
    };
    fill().map_err(|error| {
        Error::new("cannot fill the volume with what the image has there")
            .io(data.display(), &error)
            .fix("free some space")
    })
}

/// The calls that [`fill`] makes for each file, as a plan names them.
pub fn fill_explained(data: &Path, from: &Path) -> [Explanation; 2] {
    let (data, from) = (data.display(), from.display());
    [
        Explanation::new(
            format!("getdents64(\"{data}\")"),
            "only a volume with nothing in it is new",
            "2 getdents64",
        ),
        Explanation::new(
            format!("copy_file_range(\"{from}/..\", \"{data}/..\"), chown, chmod, utimensat"),
            "while nothing covers the image's files: afterwards they have no path",
            "2 copy_file_range",
        ),
    ]
}

fn copy_entries(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let file = fs::symlink_metadata(from)?;
    let kind = file.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return lchown(to, Some(file.uid()), Some(file.gid()));
    }
    if kind.is_dir() {
        fs::DirBuilder::new().mode(0o700).create(to)?;
        copy_entries(from, to)?;
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else if kind.is_socket() {
        return Ok(());
    } else {
        let kind = SFlag::from_bits_truncate(file.mode()) & SFlag::S_IFMT;
        mknod(to, kind, Mode::from_bits_truncate(file.mode()), file.rdev())?;
    }
    dress(&file, to)
}

fn dress(like: &fs::Metadata, to: &Path) -> io::Result<()> {
    chown(to, Some(like.uid()), Some(like.gid()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(like.mode() & 0o7777))?;
    if !like.file_type().is_file() && !like.is_dir() {
        return Ok(());
    }
    let times = fs::FileTimes::new().set_modified(like.modified()?).set_accessed(like.accessed()?);
    fs::File::open(to)?.set_times(times)
}
