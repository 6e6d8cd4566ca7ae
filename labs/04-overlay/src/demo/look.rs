//! What the kernel says about a path, in one cell of a table.

use std::{
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    io::{Error, ErrorKind},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use ground::Result;
use overlay::{Marks, whiteout};

use super::done;

/// What is at `path`: text and mode of a file, names in a directory, the device of a whiteout.
pub fn look(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    match fs::symlink_metadata(path) {
        Err(error) => absent(&error),
        Ok(file) if whiteout::is_whiteout(&file) => {
            let (major, minor) = (libc::major(file.rdev()), libc::minor(file.rdev()));
            format!("whiteout: c {major}:{minor}")
        }
        Ok(file) if file.is_dir() => names(path).map_or_else(
            |error| absent(&error),
            |names| {
                format!(
                    "directory: {}",
                    if names.is_empty() { "empty".to_owned() } else { names.join(" ") }
                )
            },
        ),
        Ok(file) => fs::read_to_string(path).map_or_else(
            |error| absent(&error),
            |text| format!("{text:?} {:04o}", file.mode() & 0o7777),
        ),
    }
}

/// The same for the lower layers: A if it has the name, else B.
pub fn lower(name: &str) -> String {
    let upper_of_both = Path::new("A").join(name);
    if fs::symlink_metadata(&upper_of_both).is_ok() {
        return look(upper_of_both);
    }
    look(Path::new("B").join(name))
}

fn absent(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "-".to_owned(),
        _ => error.to_string(),
    }
}

/// The sorted names in a directory.
pub fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The metadata of a file that must be there; links are not followed.
pub fn stat(path: impl AsRef<Path>) -> Result<Metadata> {
    let path = path.as_ref();
    done(&format!("lstat {}", path.display()), fs::symlink_metadata(path))
}

/// Whether there is something at `path`, be it a whiteout.
pub fn exists(path: impl AsRef<Path>) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Whether `path` is a whiteout.
pub fn is_whiteout(path: impl AsRef<Path>) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| whiteout::is_whiteout(&file))
}

/// The attribute that makes a directory opaque, as getfattr(1) would print it.
pub fn opaque(directory: &Path, marks: Marks) -> Result<String> {
    let value = marks.get(directory, "opaque")?;
    Ok(value.map_or_else(
        || "-".to_owned(),
        |value| format!("{}=\"{}\"", marks.name("opaque"), String::from_utf8_lossy(&value)),
    ))
}

/// A digest of everything in a tree that reading does not change: names, inodes, modes, owners,
/// link counts, times of change, contents.
pub fn digest(tree: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    add(tree, &mut hasher)?;
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let file = stat(path)?;
    path.as_os_str().as_bytes().hash(hasher);
    (file.ino(), file.mode(), file.uid(), file.gid(), file.nlink(), file.size()).hash(hasher);
    (file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()).hash(hasher);
    if !file.is_dir() {
        done("read", fs::read(path))?.hash(hasher);
        return Ok(());
    }
    for name in done("readdir", names(path))? {
        add(&path.join(name), hasher)?;
    }
    Ok(())
}
