//! The store: content by digest, and names for some of it.
//!
//! Everything an image is made of is a blob, a file named after the hash of its bytes. That gives
//! three things for nothing: two images share what they have in common, a download can be checked,
//! and a file that is there is right. What the store adds is that no half-written file is ever
//! visible: content is hashed while it is written to `ingest/`, forced to disk, and then moved to
//! its name by rename(2), which is atomic.
//!
//! Many processes may work on one store; they meet only in the file system. Locks are flock(2)s,
//! which the kernel drops when their owner dies.
//!
//! | file | what it knows |
//! |---|---|
//! | `verified` | a stream that must end in the expected digest and size |
//! | `blobs` | content by digest |
//! | `part` | a download that can be resumed |
//! | `arrivals` | reading it meanwhile |
//! | `images` | references -> images |
//! | `distribution` | packed blob <-> unpacked layer |
//! | `gc` | what nobody can reach |
//! | `check` | what is not what it says |
//!
//! This room knows no HTTP and no containers.

mod arrivals;
mod blobs;
mod check;
mod disk;
mod distribution;
mod error;
mod gc;
mod images;
mod part;
mod verified;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

pub use crate::digester::{Digester, sha256};
pub use arrivals::{Arrivals, Arriving, Verdict};
pub use blobs::BlobWriter;
pub(crate) use blobs::DOCUMENT_MAX;
pub use check::Damaged;
pub use error::{Error, Kind, Result};
pub use gc::{Freed, explain as explain_gc};
pub(crate) use gc::{reachable, sweep};
pub use images::Image;
pub use part::Part;
pub use verified::{Mismatch, Verified};

pub use disk::explain_put;
pub(crate) use disk::replace;
pub(crate) use error::disk;

use crate::layout::Layout;

/// Nobody else may go below the root directory, as Docker has it since CVE-2021-41091: root of a
/// container may put a set-user-ID program into a volume, and an image may come with one. Whoever
/// on the host could reach the file would run it as root. The mode is Docker's, 0710. A directory of
/// somebody else is theirs to close.
fn keep_others_out(root: &Path) -> io::Result<()> {
    let found = fs::metadata(root)?.permissions();
    if found.mode() & 0o067 == 0 {
        return Ok(());
    }
    match fs::set_permissions(root, fs::Permissions::from_mode(found.mode() & 0o710)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        closed => closed,
    }
}

/// Content and names under one root directory.
#[derive(Debug, Clone)]
pub struct Store {
    layout: Layout,
}

/// A promise that nothing is collected as long as this is held.
///
/// Between the moment a blob is whole and the moment a name leads to it, it looks like garbage.
/// Who adds an image holds a lease from the first blob to the tag. Several may hold one.
#[derive(Debug)]
pub struct Lease {
    _lock: File,
}

impl Store {
    /// The store under `layout` as it is, for who only looks: nothing is made, and where nothing is
    /// there is no image either.
    pub fn as_found(layout: Layout) -> Self {
        Self { layout }
    }

    /// Opens the store under `layout`, making its directories if they are not there, and keeps
    /// other users out of all of it.
    ///
    /// # Errors
    /// [`Kind::Disk`] if they cannot be made.
    pub fn open(layout: Layout) -> Result<Self> {
        let cannot = |path: &Path| {
            let what = format!("cannot open the image store at {}", layout.root().display());
            disk(what, format!("mkdir {}", path.display()))
        };
        for dir in [layout.blobs(), layout.ingest()] {
            fs::create_dir_all(&dir).map_err(cannot(&dir))?;
        }
        keep_others_out(layout.root()).map_err(cannot(layout.root()))?;
        Ok(Self { layout })
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Keeps [`Store::gc`] away until the lease is dropped. Waits while a collection runs.
    ///
    /// # Errors
    /// [`Kind::Disk`] if the lock file cannot be opened.
    pub fn lease(&self) -> Result<Lease> {
        let lock = disk::lock_file(&self.layout.lock())?;
        lock.lock_shared().map_err(disk("cannot use the image store", "flock"))?;
        Ok(Lease { _lock: lock })
    }
}
