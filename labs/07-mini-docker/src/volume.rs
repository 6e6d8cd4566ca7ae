//! Volumes: a directory with a name that outlives containers.
//!
//! A volume is bind-mounted into a container (lab 06), so it is in no layer and no commit. While it
//! is empty it is filled with what the image has at the place it is mounted on ([`volumes::fill`]).
//! One with options is itself a mount: its monitor makes it, in its own mount namespace, when a
//! container starts, and what was in memory is gone with the last container that used it.

mod mounted;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use serde::{Deserialize, Serialize};

pub use mounted::{check_options, mount};

use crate::{container, layout::Layout, tree};

/// What is known about a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// What its maker wrote on it.
    pub labels: BTreeMap<String, String>,
    /// What is mounted on it, in the words of mount(8): `type`, `device`, `o`.
    pub options: BTreeMap<String, String>,
    /// Whether we chose the name.
    pub anonymous: bool,
}

impl Volume {
    /// Whether its files are nowhere but in memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.options.get("type").map(String::as_str), Some("tmpfs" | "ramfs"))
    }
}

/// Docker's rule for names: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
///
/// # Errors
/// A name that breaks it.
pub fn check_name(name: &str) -> Result<()> {
    let word = |c: char| c.is_ascii_alphanumeric();
    let good = name.len() > 1
        && name.starts_with(word)
        && name.chars().all(|c| word(c) || matches!(c, '_' | '.' | '-'));
    if good {
        return Ok(());
    }
    Err(Error::new(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name"
    ))
    .why("only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two characters at least")
    .fix("choose another name; a directory of this machine is an absolute path, or begins with ./"))
}

/// Makes a volume if it is not there, and returns its directory. Idempotent.
///
/// # Errors
/// As mkdir(2).
pub fn ensure(layout: &Layout, name: &str, anonymous: bool) -> Result<PathBuf> {
    if !layout.volume_data(name).is_dir() {
        let known = read(layout, name)?;
        create(layout, &Volume { anonymous: known.anonymous || anonymous, ..known })?;
    }
    Ok(layout.volume_data(name))
}

/// Makes a volume. What is there stays as it is.
///
/// # Errors
/// As mkdir(2) and write(2).
pub fn create(layout: &Layout, volume: &Volume) -> Result<()> {
    let data = layout.volume_data(&volume.name);
    let cannot = |path: &Path, error: &io::Error| {
        Error::new(format!("cannot make the volume {}", volume.name))
            .io(format_args!("mkdir {}", path.display()), error)
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&data)
        .map_err(|error| cannot(&data, &error))?;
    let mut known = volume.clone();
    if known.created.is_empty() {
        known.created = container::now();
    }
    let path = layout.volume_record(&volume.name);
    let fresh = path.with_extension("new");
    serde_json::to_vec(&known)
        .map_err(io::Error::from)
        .and_then(|json| fs::write(&fresh, json))
        .and_then(|()| fs::rename(&fresh, &path))
        .map_err(|error| cannot(&path, &error))
}

/// What is known about a volume; nothing but its name where it was made by an older version.
///
/// # Errors
/// A record that is broken.
pub fn read(layout: &Layout, name: &str) -> Result<Volume> {
    let path = layout.volume_record(name);
    let json = fs::read(&path).unwrap_or_else(|_| b"{}".to_vec());
    let volume: Volume = serde_json::from_slice(&json).map_err(|error| {
        Error::new(format!("cannot read what is known about the volume {name}"))
            .why(format!("{}: {error}", path.display()))
            .fix("correct the file; without it the volume has no labels and no options")
    })?;
    Ok(Volume { name: name.to_owned(), ..volume })
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
    let directories = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> =
        directories.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Removes a volume with all that is in it; fine when there is none. What a bind mount shows is not
/// in it: that was in the mount namespace of a monitor, and is no more.
///
/// # Errors
/// As unlinkat(2).
pub fn remove(layout: &Layout, name: &str) -> Result<()> {
    tree::remove(&layout.volume(name))
}

/// Held by who is about to use volumes, until a record says so.
///
/// # Errors
/// As flock(2).
pub fn lock_shared(layout: &Layout) -> Result<File> {
    locked(layout, File::lock_shared)
}

/// Held by who removes volumes that nobody uses.
///
/// # Errors
/// As flock(2).
pub fn lock_alone(layout: &Layout) -> Result<File> {
    locked(layout, File::lock)
}

fn locked(layout: &Layout, lock: impl FnOnce(&File) -> io::Result<()>) -> Result<File> {
    let dir = layout.volumes();
    let opened = fs::create_dir_all(&dir).and_then(|()| File::open(&dir));
    opened
        .and_then(|file| lock(&file).map(|()| file))
        .map_err(|error| Error::new("cannot use the volumes").io(dir.display(), &error))
}

/// The bytes of all files of a volume, as du(1) would count them.
pub fn size(layout: &Layout, name: &str) -> u64 {
    let mut directories = vec![layout.volume_data(name)];
    let mut bytes = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => directories.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// A directory of a volume that is to be mounted must be there, and in it.
///
/// # Errors
/// One that is missing, or that a link leads out of the volume.
pub fn check_subpath(data: &Path, below: &Path, name: &str) -> Result<()> {
    let real = fs::canonicalize(data.join(below)).and_then(|it| Ok((it, fs::canonicalize(data)?)));
    let why = match real {
        Ok((real, data)) if real.starts_with(&data) => return Ok(()),
        Ok(_) => "a link leads out of the volume".to_owned(),
        Err(error) => error.to_string(),
    };
    let below = below.display();
    Err(Error::new(format!("cannot access path {below} of the volume {name}")).why(why).fix(
        format!(
            "make it in the volume first: mini-docker run -v {name}:/v IMAGE mkdir -p /v/{below}"
        ),
    ))
}
