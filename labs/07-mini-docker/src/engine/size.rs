//! Sizes: what files take.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// The bytes of all files below a directory; a file of several names counts for each. What cannot
/// be read counts nothing.
pub(super) fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(file) if file.is_dir() => bytes_below(&entry.path()),
        Ok(file) => file.size(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
