//! Volumes: a directory with a name that outlives containers.
//!
//! A volume is bind-mounted into a container (lab 06), so it is in no layer and no commit. A new
//! named volume starts with what the image has at the place it is mounted on, as in Docker; that
//! happens once, while it is empty.

use std::{
    fs, io,
    os::unix::fs::{
        DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink,
    },
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use nix::sys::stat::{Mode, SFlag, mknod};

use crate::{layout::Layout, tree};

/// Makes a volume and returns its directory. Idempotent.
///
/// # Errors
/// As mkdir(2).
pub fn ensure(layout: &Layout, name: &str) -> Result<PathBuf> {
    let data = layout.volume_data(name);
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&data).map_err(|error| {
        Error::new(format!("cannot make the volume {name}"))
            .io(format_args!("mkdir {}", data.display()), &error)
    })?;
    Ok(data)
}

/// The names of all volumes, sorted.
///
/// # Errors
/// When the directory cannot be read.
pub fn names(layout: &Layout) -> Result<Vec<String>> {
    let dir = layout.volumes();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::new("cannot list the volumes").io(dir.display(), &error)),
    };
    let mut names: Vec<_> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Removes a volume with all that is in it; fine when there is none.
///
/// # Errors
/// As unlinkat(2).
pub fn remove(layout: &Layout, name: &str) -> Result<()> {
    tree::remove(&layout.volume(name))
}

/// Fills an empty volume with what the image has at `from`, owners and times included. Does nothing
/// when the volume has something, or the image nothing there.
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
