//! Push: layers and config -> manifest, and of these only what is missing.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use oci::{Descriptor, Digest, Manifest, Reference};

use super::{AT_ONCE, OnEvent, Result};
use crate::{
    event::Event,
    registry::client::Client,
    store::{Image, Store},
    workers::each,
};

/// How often a blob tells how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// An image that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest, byte for byte the one in the store.
    pub manifest: Descriptor,
    /// Bytes of blobs that were moved, all tries together.
    pub moved: u64,
}

/// Pushes `image` as `reference`. What the registry has, under whatever of its names, is not moved.
///
/// # Errors
/// The first failure of any part; what arrived whole stays for the next try.
pub fn push_image(
    client: &Client,
    store: &Store,
    (image, reference): (&Image, &Reference),
    on_event: OnEvent<'_>,
) -> Result<Pushed> {
    let reference = &reference.clone().or_latest();
    // Nobody may collect what is on the way.
    let lease = store.lease()?;
    let manifest = store.image_manifest(&image.manifest)?;
    let bytes = store.document(&image.manifest.digest)?;
    let neighbours = neighbours(store, reference)?;
    let mut blobs: Vec<&Descriptor> = Vec::new();
    for blob in manifest.blobs() {
        // Foreign layers are not ours to hand out (image specification, layer.md).
        let known = blobs.iter().any(|known| known.digest == blob.digest);
        if !known && !blob.media_type.is_foreign_layer() {
            blobs.push(blob);
        }
    }
    let what = format!("cannot push {}", reference.familiar());
    let moved = each(AT_ONCE, &blobs, |blob| {
        send_missing(client, store, (reference, blob, &neighbours), on_event)
            .map_err(|error| error.said_of(&what))
    })?;
    client.push_manifest(reference, &image.manifest.media_type, &bytes)?;
    let digest = image.manifest.digest.clone();
    // Now it is known to be there: see `neighbours`.
    store.tag(&reference.at(digest.clone()), &image.manifest)?;
    drop(lease);
    on_event(Event::Tagged { reference: reference.clone(), manifest: digest });
    Ok(Pushed { manifest: image.manifest.clone(), moved: moved.into_iter().sum() })
}

/// The other repositories of the same registry that images in the store came from or went to, with
/// their manifests: a layer that is there need not be sent, only mounted.
fn neighbours(store: &Store, reference: &Reference) -> Result<Vec<(String, Manifest)>> {
    let mut neighbours = Vec::new();
    for image in store.images()? {
        let Ok(manifest) = store.image_manifest(&image.manifest) else { continue };
        for other in &image.references {
            // Only what a registry itself named by digest is known to be there.
            let was_there = other.digest().is_some() && other.domain() == reference.domain();
            if was_there && other.path() != reference.path() {
                neighbours.push((other.path().to_owned(), manifest.clone()));
            }
        }
    }
    Ok(neighbours)
}

/// Has a blob be there, in the cheapest way that works: it is, it is mounted, it is sent.
fn send_missing(
    client: &Client,
    store: &Store,
    (reference, blob, neighbours): (&Reference, &Descriptor, &[(String, Manifest)]),
    on_event: OnEvent<'_>,
) -> Result<u64> {
    if client.has_blob(reference, &blob.digest)? {
        on_event(Event::BlobPresent { digest: blob.digest.clone(), size: blob.size });
        return Ok(0);
    }
    if let Some(from) = holder(neighbours, &blob.digest)
        // A registry that does not let us mount lets us send.
        && client.mount_blob(reference, &blob.digest, from).unwrap_or(false)
    {
        on_event(Event::BlobMounted { digest: blob.digest.clone(), from: from.to_owned() });
        return Ok(0);
    }
    send_blob(client, store, (reference, blob), on_event)
}

fn holder<'a>(neighbours: &'a [(String, Manifest)], digest: &Digest) -> Option<&'a str> {
    let holds = |manifest: &Manifest| manifest.blobs().any(|blob| blob.digest == *digest);
    neighbours.iter().find(|(_, manifest)| holds(manifest)).map(|(name, _)| name.as_str())
}

/// Sends one blob from the store and returns the bytes that were moved, all tries together.
///
/// # Errors
/// The last failure when trying again did not help.
pub fn send_blob(
    client: &Client,
    store: &Store,
    (reference, blob): (&Reference, &Descriptor),
    on_event: OnEvent<'_>,
) -> Result<u64> {
    let file = store.blob(&blob.digest)?;
    let (digest, size) = (blob.digest.clone(), blob.size);
    on_event(Event::BlobStarted { digest: digest.clone(), size, offset: 0 });
    let moved = AtomicU64::new(0);
    let mut content =
        Watched { file, digest: &digest, moved: &moved, told: Instant::now(), on_event };
    client.push_blob(reference, blob, &mut content)?;
    let moved = moved.into_inner();
    on_event(Event::BlobDone { digest, moved });
    Ok(moved)
}

/// A file that tells how far it was read.
struct Watched<'a> {
    file: std::fs::File,
    digest: &'a Digest,
    moved: &'a AtomicU64,
    told: Instant,
    on_event: OnEvent<'a>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.moved.fetch_add(count as u64, Ordering::Relaxed);
        if count == 0 || self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            let done = self.file.stream_position()?;
            (self.on_event)(Event::BlobProgress { digest: self.digest.clone(), done });
        }
        Ok(count)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
