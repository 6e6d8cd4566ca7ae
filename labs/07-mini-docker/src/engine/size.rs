//! Sizes: what files take.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use super::Engine;
use crate::container::Record;

/// What a container keeps, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// What it wrote.
    pub rw: u64,
    /// The same and its image; of the image the packed layers, as `images` counts.
    pub root_fs: u64,
}

impl Engine {
    /// Counts what a container keeps.
    pub fn sizes(&self, record: &Record) -> Sizes {
        let rw = bytes_below(&self.container_layout(record).upper());
        let manifest = self.store.image_manifest(&record.image.manifest);
        let image: u64 = manifest.iter().flat_map(|it| &it.layers).map(|layer| layer.size).sum();
        Sizes { rw, root_fs: rw + image }
    }
}

/// The bytes of all files below a directory; a file of several names counts for each. What cannot
/// be read counts nothing: an ordinary user's container can have directories that only its own root
/// may enter.
pub(super) fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(file) if file.is_dir() => bytes_below(&entry.path()),
        Ok(file) => file.size(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
