//! Volumes: a directory with a name that outlives containers.
//!
//! A volume is bind-mounted into a container (lab 06), so it is in no layer and no commit. While it
//! is empty it is filled with what the image has at the place it is mounted on ([`volumes::fill`]).

use std::{fs, io, os::unix::fs::DirBuilderExt, path::PathBuf};

use ground::{Error, Result};

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
