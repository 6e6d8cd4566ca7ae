//! Distribution: which packed blob an unpacked layer came from, and the other way round.
//!
//! gzip does not give the same bytes twice, so packing a layer again gives another digest, and the
//! registry would be sent what it already has. These records let a push of a pulled layer use the
//! very bytes that came (Docker keeps the same in `distribution/diffid-by-digest`).

use std::{fs, io, path::Path};

use oci::{Descriptor, Digest};

use super::{Result, Store, disk, disk::note};
use crate::layout::by_digest;

impl Store {
    /// Notes that `blob` unpacks to the archive with digest `diff_id`. Whoever calls this has
    /// unpacked it and hashed the result.
    ///
    /// # Errors
    /// [`super::Kind::Disk`] if it cannot be written.
    pub fn record_layer(&self, diff_id: &Digest, blob: &Descriptor) -> Result<()> {
        let descriptor = serde_json::to_vec(blob)
            .map_err(io::Error::from)
            .map_err(disk("cannot note a layer", "serialise"))?;
        let pairs = [
            (by_digest(self.layout.blob_by_diff_id(), diff_id), descriptor),
            (by_digest(self.layout.diff_id_by_blob(), &blob.digest), diff_id.to_string().into()),
        ];
        for (path, bytes) in pairs {
            note(&self.layout.ingest(), &path, &bytes)
                .map_err(disk("cannot note a layer", format!("write {}", path.display())))?;
        }
        Ok(())
    }

    /// The packed form of a layer, if it was noted and is still here.
    pub fn blob_of_diff_id(&self, diff_id: &Digest) -> Option<Descriptor> {
        let json = fs::read(by_digest(self.layout.blob_by_diff_id(), diff_id)).ok()?;
        let blob: Descriptor = serde_json::from_slice(&json).ok()?;
        self.has(&blob.digest).then_some(blob)
    }

    /// What a blob unpacks to, if it was noted.
    pub fn diff_id_of_blob(&self, blob: &Digest) -> Option<Digest> {
        let path = by_digest(self.layout.diff_id_by_blob(), blob);
        fs::read_to_string(path).ok()?.parse().ok()
    }

    /// Removes the notes about blobs that are gone.
    pub(super) fn forget_layers(&self) -> io::Result<()> {
        let gone = |digest: &Digest, path: &Path| {
            let blob = match path.starts_with(self.layout.diff_id_by_blob()) {
                true => Some(digest.clone()),
                false => fs::read(path)
                    .ok()
                    .and_then(|json| serde_json::from_slice::<Descriptor>(&json).ok())
                    .map(|blob| blob.digest),
            };
            !blob.is_some_and(|blob| self.has(&blob))
        };
        for dir in [self.layout.diff_id_by_blob(), self.layout.blob_by_diff_id()] {
            for (digest, path) in super::gc::by_digest(&dir)? {
                if gone(&digest, &path) {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }
}
