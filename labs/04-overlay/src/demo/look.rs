//! What the kernel says about a path, in one cell of a table.

use std::{
    fs::{self, Metadata},
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
                let names = if names.is_empty() { "empty".to_owned() } else { names.join(" ") };
                format!("dir: {names}")
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

/// The attribute that makes a directory opaque, without the `trusted.overlay.` of its name.
pub fn opaque(directory: &Path, marks: Marks) -> Result<String> {
    let value = marks.get(directory, "opaque")?;
    Ok(value.map_or_else(
        || "-".to_owned(),
        |value| format!("opaque=\"{}\"", String::from_utf8_lossy(&value)),
    ))
}

/// A digest of what a layer is: names, modes, owners, times of change and contents. Inodes are not
/// in it, so the same layer has the same digest on every machine.
///
/// FNV-1a notices a change; a digest that nobody can forge is SHA-256, in lab 07.
pub fn digest(tree: &Path) -> Result<String> {
    let mut digest = 0xcbf2_9ce4_8422_2325;
    add(tree, tree, &mut digest)?;
    Ok(format!("{digest:016x}"))
}

fn add(path: &Path, tree: &Path, digest: &mut u64) -> Result<()> {
    let file = stat(path)?;
    let name = path.strip_prefix(tree).unwrap_or(path).as_os_str().as_bytes();
    let numbers = [file.mode(), file.uid(), file.gid()];
    fold(digest, name);
    fold(digest, format!("\0{numbers:?} {} {}", file.mtime(), file.mtime_nsec()).as_bytes());
    if !file.is_dir() {
        fold(digest, &done("read", fs::read(path))?);
        return Ok(());
    }
    for name in done("readdir", names(path))? {
        add(&path.join(name), tree, digest)?;
    }
    Ok(())
}

fn fold(digest: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        *digest = (*digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    }
}
