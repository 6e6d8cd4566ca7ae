//! The diff of an upper directory whose lower layers nobody names: from its marks alone.

use std::{
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use ground::{Error, Result};

use crate::{Change, ChangeKind, Marks, whiteout};

/// The changes of `upper` as its own marks tell them, sorted by path.
///
/// A whiteout is a deletion. What was copied up has the attribute `overlay.origin` and is a change,
/// all else was added. That is less than [`crate::diff()`] knows: symbolic links have no
/// attributes, some lower file systems cannot be pointed to, and what an opaque directory hides
/// cannot be told.
///
/// # Errors
/// A directory that cannot be read.
pub fn diff_alone(upper: &Path, marks: Marks) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut waiting = vec![(upper.to_owned(), PathBuf::from("/"), true)];
    while let Some((directory, path, mut listed)) = waiting.pop() {
        for name in names(&directory)? {
            let (file, path_of) = (directory.join(&name), path.join(&name));
            let metadata = fs::symlink_metadata(&file).map_err(|error| unread(&file, &error))?;
            let kind = if whiteout::is_whiteout(&metadata) {
                ChangeKind::Deleted
            } else if marks.get(&file, "origin")?.is_some() {
                ChangeKind::Changed
            } else {
                ChangeKind::Added
            };
            let change = |kind, path| Change { kind, path, metadata_only: false };
            if kind != ChangeKind::Changed && !listed {
                changes.push(change(ChangeKind::Changed, path.clone()));
                listed = true;
            }
            let merged = metadata.is_dir() && kind == ChangeKind::Changed;
            if metadata.is_dir() {
                waiting.push((file, path_of.clone(), !merged));
            }
            if !merged {
                changes.push(change(kind, path_of));
            }
        }
    }
    changes.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    Ok(changes)
}

fn names(directory: &Path) -> Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(directory);
    let names = entries.and_then(|all| all.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(|error| unread(directory, &error))
}

fn unread(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot read a layer")
        .io(format_args!("open {}", path.display()), error)
        .fix("name the directory that was given as --upper")
}
