//! Disk: the two moves by which a file appears whole or not at all.
//!
//! rename(2) replaces a name in one step, but says nothing about the bytes: without fsync(2) before
//! it, a power cut can leave a complete name on an empty file.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use ground::Explanation;
use tempfile::NamedTempFile;

use super::{Result, disk};

/// Opens a file whose only content is its lock, making it if it is not there.
pub(super) fn lock_file(path: &Path) -> Result<File> {
    // Append, since flock(2) over NFS wants a descriptor that may write.
    let opened = File::options().append(true).create(true).open(path);
    opened.map_err(disk("cannot use the image store", format!("open {}", path.display())))
}

/// A locked temporary file in `dir`. The lock says that its maker is alive: see
/// [`super::Store::gc`].
pub(super) fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = tempfile::Builder::new()
            .suffix(".tmp")
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(dir)?;
        file.as_file().lock()?;
        // The collector may have removed it between the two calls.
        if is_at(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// Whether the open `file` is what the name `path` leads to.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    // ANCHOR: is_at
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
    // ANCHOR_END: is_at
}

/// Forces a directory's names to disk.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    // ANCHOR: sync_dir
    File::open(path)?.sync_all()
    // ANCHOR_END: sync_dir
}

/// Gives the open, written file at `from` its name `to`, making the directory if needed.
pub(super) fn publish(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    // ANCHOR: publish
    file.sync_all()?;
    rename(from, to)?;
    sync_dir(parent(to))
    // ANCHOR_END: publish
}

/// How content of any kind appears, in words.
pub fn explain_put() -> Explanation {
    let (from, to) = ("ingest/RANDOM.tmp", "blobs/sha256/DIGEST");
    Explanation::new(
        format!(
            "write({from:?}), fsync({from:?}), rename({from:?}, {to:?}), fsync(\"blobs/sha256\")"
        ),
        "content is named by its hash, and appears whole or not at all",
        "2 rename",
    )
}

// ANCHOR: rename
/// rename(2), making the directory if needed.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(parent(to))?;
            fs::rename(from, to)
        }
        done => done,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
// ANCHOR_END: rename

/// Replaces the file at `to` by `bytes` in one step, by way of a file in `scratch`, which must be
/// on the same file system.
pub(crate) fn replace(scratch: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = temporary(scratch)?;
    file.as_file().write_all(bytes)?;
    publish(file.as_file(), file.path(), to)?;
    // The name is gone: there is nothing left to remove.
    let _ = file.into_temp_path().keep();
    Ok(())
}

/// The same for a note that may get lost: whole or absent for every process, but after a power cut
/// it may be empty. Forcing a file and its directory to disk costs more than unpacking a small layer.
pub(super) fn note(scratch: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = temporary(scratch)?;
    file.as_file().write_all(bytes)?;
    rename(file.path(), to)?;
    let _ = file.into_temp_path().keep();
    Ok(())
}
