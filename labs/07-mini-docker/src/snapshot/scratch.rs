//! Scratch: a directory for what is not finished, which goes with whoever made it.
//!
//! A lock on the directory says that its owner lives; who finds one that is not locked removes it.
//! A scratch directory with the name of a layer is also the right to unpack that layer: of two
//! processes that want the same one, the second waits, and then finds it done.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use oci::Digest;

use super::is_unpacked;
use crate::{
    layout::{Layout, flat},
    tree,
};

/// A directory on the file system of the layers. Removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    // Held while its owner lives.
    _lock: fs::File,
}

impl Scratch {
    /// A new one.
    pub(super) fn new(layout: &Layout) -> Result<Self> {
        let all = all(layout)?;
        loop {
            let path = tempfile::Builder::new().prefix("").tempdir_in(&all);
            let path = path.map_err(|error| cannot(&all, &error))?.keep();
            let Ok(lock) = fs::File::open(&path) else { continue };
            // Whoever sweeps may have been between our two calls.
            if lock.try_lock().is_ok() && path.is_dir() {
                return Ok(Self { path, _lock: lock });
            }
        }
    }

    /// The right to unpack a layer; `None` when it is there. Waits while another process has it.
    pub(super) fn claim(layout: &Layout, chain_id: &Digest) -> Result<Option<Self>> {
        let all = all(layout)?;
        let path = all.join(flat(chain_id));
        loop {
            if is_unpacked(layout, chain_id) {
                return Ok(None);
            }
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(cannot(&path, &error));
                }
                _ => {}
            }
            let Ok(lock) = fs::File::open(&path) else { continue };
            lock.lock().map_err(|error| cannot(&path, &error))?;
            // Whoever had it before us has published or removed it, if it is another one by now.
            if !is_at(&lock, &path) {
                continue;
            }
            let scratch = Self { path, _lock: lock };
            // What a killed process left.
            tree::remove(&scratch.path.join("layer"))?;
            return Ok(Some(scratch));
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and says when that does not work.
    pub(super) fn remove(self) -> Result<()> {
        tree::remove(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the next one sweeps.
        let _ = tree::remove(&self.path);
    }
}

/// The directory of all of them, without those of the dead.
fn all(layout: &Layout) -> Result<PathBuf> {
    let all = layout.layers().join("unfinished");
    fs::create_dir_all(&all).map_err(|error| cannot(&all, &error))?;
    for entry in fs::read_dir(&all).into_iter().flatten().flatten() {
        let Ok(dir) = fs::File::open(entry.path()) else { continue };
        if dir.try_lock().is_ok() && is_at(&dir, &entry.path()) {
            let _ = tree::remove(&entry.path());
        }
    }
    Ok(all)
}

/// Whether the open directory is what the name leads to.
fn is_at(dir: &fs::File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (dir.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot unpack the layer").io(format_args!("mkdir {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn who_wants_the_same_layer_waits_and_finds_it_done() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let chain_id = crate::digester::sha256(b"layer");
        let scratch = Scratch::claim(&layout, &chain_id).unwrap().unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| Scratch::claim(&layout, &chain_id).unwrap().is_none());
            thread::sleep(Duration::from_millis(20));
            assert!(!second.is_finished(), "it waits");
            fs::create_dir_all(layout.layer_diff(&chain_id)).unwrap();
            scratch.remove().unwrap();
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_claimed_anew() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let chain_id = crate::digester::sha256(b"layer");
        let left = layout.layers().join("unfinished").join(flat(&chain_id)).join("layer/diff/x");
        fs::create_dir_all(&left).unwrap();
        let scratch = Scratch::claim(&layout, &chain_id).unwrap().unwrap();
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
