//! The first content of a volume: what the image has at its place, copied once.
//!
//! A bind mount covers what is at its target. For a directory of the host that is what the reader
//! asked for; but an image may have files in the place of a volume (`VOLUME /var/lib/mysql`), made
//! for it to begin with. So an engine copies them into a volume that is still empty, before it is
//! mounted. The kernel has no part in this.

use std::{fs, io, path::Path};

use ground::{Error, Explanation, Result};

use crate::copy_up::copy_whole;

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
        Ok(copy_whole(fs::File::open(from)?, &fs::File::open(data)?.into())?)
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
            format!("sendfile(\"{data}/..\", \"{from}/..\"), chown, chmod, utimensat"),
            "while nothing covers the image's files: afterwards they have no path",
            "2 sendfile",
        ),
    ]
}
