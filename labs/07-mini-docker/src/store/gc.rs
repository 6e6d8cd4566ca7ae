//! Gc: what no name can reach is removed.
//!
//! Blobs know who they point to, not who points to them, and two images may share a layer. So
//! nothing is removed when a name is: the collector marks what can be reached from the names and
//! sweeps the rest. It runs only while nobody holds a [`super::Lease`].

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use ground::Explanation;
use oci::{Algorithm, Descriptor, Digest};

use super::{Error, Kind, Result, Store, disk, disk::lock_file};

/// How long a download that broke off is kept for the next try.
const PART_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a collection gave back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Blobs removed.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The collection in words.
pub fn explain() -> Explanation {
    Explanation::new(
        "flock(\"lock\", LOCK_EX|LOCK_NB), unlink(\"blobs/sha256/DIGEST\")",
        "what no name can reach is removed, while nobody adds anything",
        "2 flock",
    )
}

impl Store {
    /// Removes every blob that cannot be reached from an image, dangling or not, or from `keep`.
    ///
    /// # Errors
    /// [`Kind::Busy`] while somebody holds a lease: what they add has no name yet.
    pub fn gc(&self, keep: &[Descriptor]) -> Result<Freed> {
        let _alone = self.alone()?;
        self.sweep_unreachable(keep)
    }

    /// The same for a caller who has made sure to be [`Store::alone`].
    ///
    /// # Errors
    /// [`Kind::Disk`].
    pub(crate) fn sweep_unreachable(&self, keep: &[Descriptor]) -> Result<Freed> {
        let images = self.images()?.into_iter().map(|image| image.manifest);
        let marked = reachable(self, images.chain(keep.iter().cloned()));
        sweep(self, &marked)
    }

    /// Keeps everybody from adding content, if nobody is doing so now.
    pub(crate) fn alone(&self) -> Result<File> {
        let lock = lock_file(&self.layout.lock())?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::Error(error)) => Err(disk("cannot collect garbage", "flock")(error)),
            Err(TryLockError::WouldBlock) => {
                let report = ground::Error::new("cannot collect garbage now")
                    .why("a pull, push or commit is running, and what it adds has no name yet")
                    .fix("try again when it has ended");
                Err(Error::new(Kind::Busy, report))
            }
        }
    }
}

/// Everything that can be reached from `roots`. A document that is missing or broken reaches
/// nothing, and is itself kept.
pub(crate) fn reachable(
    store: &Store,
    roots: impl IntoIterator<Item = Descriptor>,
) -> HashSet<Digest> {
    let mut marked = HashSet::new();
    let mut to_visit: Vec<Descriptor> = roots.into_iter().collect();
    while let Some(next) = to_visit.pop() {
        if !marked.insert(next.digest.clone()) {
            continue;
        }
        if (next.media_type.is_manifest() || next.media_type.is_index())
            && let Ok(document) = store.manifest(&next)
        {
            to_visit.extend(document.children().into_iter().cloned());
        }
    }
    marked
}

/// Removes every blob that is not marked, and what interrupted writers left.
pub(crate) fn sweep(store: &Store, marked: &HashSet<Digest>) -> Result<Freed> {
    let cannot = || disk("cannot collect garbage", "remove");
    let mut freed = Freed::default();
    for (digest, path) in by_digest(&store.layout.blobs()).map_err(cannot())? {
        if !marked.contains(&digest) {
            freed.bytes += path.metadata().map_or(0, |metadata| metadata.len());
            freed.blobs += 1;
            fs::remove_file(&path).map_err(cannot())?;
        }
    }
    sweep_ingest(&store.layout.ingest()).map_err(cannot())?;
    store.forget_layers().map_err(cannot())?;
    Ok(freed)
}

/// Removes the temporary files of the dead, and downloads that nobody took up for a day.
fn sweep_ingest(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // Gone or not ours to open: neither is our concern.
        let Ok(file) = File::open(&path) else { continue };
        // The living hold a lock on what they write.
        if file.try_lock().is_err() {
            continue;
        }
        let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
        if path.extension().is_some_and(|kind| kind == "tmp") || age > PART_AGE_MAX {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// The files `DIR/ALGORITHM/HEX` with the digests that they are named after.
pub(super) fn by_digest(dir: &Path) -> io::Result<Vec<(Digest, PathBuf)>> {
    let mut found = Vec::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let entries = match fs::read_dir(dir.join(algorithm.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let hex = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = format!("{}:{}", algorithm.as_str(), hex.unwrap_or_default());
            if let Ok(digest) = name.parse() {
                found.push((digest, path));
            }
        }
    }
    Ok(found)
}
