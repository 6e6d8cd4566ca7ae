//! Pull: reference -> manifest -> config and layers, and at last a name.

use std::{
    io::{self, Read, Write},
    thread,
    time::{Duration, Instant},
};

use oci::{Descriptor, Document, Manifest, Platform, Reference};

use super::{Error, OnEvent, Result, workers::each};
use crate::{
    event::Event,
    registry::client::{self, Client, Fetched},
    store::{self, Part, Store},
};

/// How much is read at once.
const CHUNK: usize = 128 << 10;
/// How often a blob tells how far it is: often enough for the eye.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// An image that is here now, whole, and without a name: [`Pulled::name`] is the last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// What was asked for.
    pub reference: Reference,
    /// What the registry answered with: its digest is what `name@digest` means.
    pub target: Descriptor,
    /// The manifest of the image for the platform.
    pub manifest: Descriptor,
    /// Whether the name led to the same image before.
    pub was_up_to_date: bool,
    /// Bytes of blobs that were moved, all tries together.
    pub moved: u64,
}

/// Pulls an image: its manifest, config and layers. What is here already is not moved again. The
/// caller holds a [`store::Lease`] until it is named.
///
/// # Errors
/// The first failure of any part; what arrived whole stays for the next try.
pub fn pull_manifest_tree(
    client: &Client,
    store: &Store,
    (reference, platform): (&Reference, &Platform),
    on_event: OnEvent<'_>,
) -> Result<Pulled> {
    let reference = &reference.clone().or_latest();
    on_event(Event::Resolving { reference: reference.clone() });
    let before = store.find(reference)?.map(|image| image.manifest.digest);
    let target = client.manifest(reference)?;
    let (fetched, manifest) = choose(client, reference, platform, &target)?;
    on_event(Event::Resolved {
        reference: reference.clone(),
        target: target.descriptor.digest.clone(),
        manifest: fetched.descriptor.digest.clone(),
    });
    check_types(reference, &manifest)?;
    let moved = fetch_all(client, store, (reference, &manifest), on_event)?;
    store.put(&fetched.descriptor, fetched.bytes.as_slice())?;
    Ok(Pulled {
        was_up_to_date: before.as_ref() == Some(&fetched.descriptor.digest),
        reference: reference.clone(),
        target: target.descriptor,
        manifest: fetched.descriptor,
        moved,
    })
}

impl Pulled {
    /// Lets names lead to the image. Last of all, so that a pull that breaks off, or a layer that
    /// cannot be unpacked, leaves no half image.
    ///
    /// # Errors
    /// The disk's.
    pub fn name(&self, store: &Store, on_event: OnEvent<'_>) -> Result<()> {
        let Self { reference, target, manifest, .. } = self;
        // The digest by which the registry knows it stays, when the tag has long moved on.
        let by_digest = reference.at(target.digest.clone());
        let names = [&by_digest, reference];
        let known = if reference.digest().is_none() { &names[..] } else { &names[..1] };
        store.tag_all(known, manifest)?;
        let manifest = manifest.digest.clone();
        on_event(Event::Tagged { reference: reference.clone(), manifest });
        Ok(())
    }
}

/// The manifest behind `target`: itself, or the entry of an index that is for `platform`.
fn choose(
    client: &Client,
    reference: &Reference,
    platform: &Platform,
    target: &Fetched,
) -> Result<(Fetched, Manifest)> {
    let index = match &target.document {
        Document::Manifest(manifest) => return Ok((target.clone(), manifest.clone())),
        Document::Index(index) => index,
    };
    let entry = platform.choose(index)?;
    let fetched = client.manifest(&reference.at(entry.digest.clone()))?;
    match fetched.document.clone() {
        Document::Manifest(manifest) => Ok((fetched, manifest)),
        Document::Index(_) => Err(Error::Invalid(
            ground::Error::new(format!("cannot pull {}", reference.familiar()))
                .why("an entry of its index is itself an index")
                .fix(format!("pull one of them by digest: {}", reference.at(entry.digest.clone()))),
        )),
    }
}

/// Better to know before the download that a layer is none.
fn check_types(reference: &Reference, manifest: &Manifest) -> Result<()> {
    let unknown =
        manifest.layers.iter().find(|layer| layer.media_type.layer_compression().is_none());
    match unknown {
        None => Ok(()),
        Some(layer) => Err(Error::Invalid(
            ground::Error::new(format!("cannot pull {}", reference.familiar()))
                .why(format!("unsupported media type {} of layer {}", layer.media_type, layer.digest))
                .fix("it is no image of files (a chart, a policy, an encrypted image), or newer than this program"),
        )),
    }
}

fn fetch_all(
    client: &Client,
    store: &Store,
    (reference, manifest): (&Reference, &Manifest),
    on_event: OnEvent<'_>,
) -> Result<u64> {
    let mut blobs: Vec<&Descriptor> = Vec::new();
    for blob in manifest.blobs() {
        // An image may have the same layer twice.
        if !blobs.iter().any(|known| known.digest == blob.digest) {
            blobs.push(blob);
        }
    }
    let what = format!("cannot pull {}", reference.familiar());
    each(&blobs, |blob| {
        fetch_blob(client, store, (reference, blob), on_event).map_err(|error| error.said_of(&what))
    })
}

/// Brings one blob into the store and returns the bytes that were moved: none if it is there.
///
/// A cut connection is taken up where it broke, also by a later call or another process; a wrong
/// digest throws all away. The caller holds a [`store::Lease`] until a name leads to the blob.
///
/// # Errors
/// The last failure when trying again did not help.
pub fn fetch_blob(
    client: &Client,
    store: &Store,
    (reference, blob): (&Reference, &Descriptor),
    on_event: OnEvent<'_>,
) -> Result<u64> {
    let digest = &blob.digest;
    let Some(mut part) = store.ingest(blob)? else {
        on_event(Event::BlobPresent { digest: digest.clone(), size: blob.size });
        return Ok(0);
    };
    on_event(Event::BlobStarted { digest: digest.clone(), size: blob.size, offset: part.offset() });
    let mut moved = 0;
    let mut attempt = 1;
    while !part.is_complete() {
        let before = moved;
        let Err(error) = append(client, (reference, blob), (&mut part, &mut moved), on_event)
        else {
            break;
        };
        // Progress starts the count anew: a bad line may break often, if it also moves.
        attempt = if moved > before { 1 } else { attempt };
        let Error::Registry(failure) = &error else { return Err(error) };
        let Some(wait) = client.retry().wait(attempt, failure) else { return Err(error) };
        let (digest, report) = (digest.clone(), failure.report.clone());
        on_event(Event::BlobRetry { digest, attempt, wait, error: report });
        thread::sleep(wait);
        attempt += 1;
    }
    part.commit()?;
    on_event(Event::BlobDone { digest: digest.clone(), moved });
    Ok(moved)
}

/// Reads from where `part` ends to the end of the blob.
fn append(
    client: &Client,
    (reference, blob): (&Reference, &Descriptor),
    (part, moved): (&mut Part, &mut u64),
    on_event: OnEvent<'_>,
) -> Result<()> {
    let mut body = client.blob(reference, blob, part.offset())?;
    if body.offset() != part.offset() {
        part.restart()?;
    }
    let mut buffer = vec![0; CHUNK];
    let mut told = Instant::now();
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) if part.is_complete() => return Ok(()),
            Ok(0) => return Err(cut(reference, blob, &io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => count,
            Err(error) => return Err(cut(reference, blob, &error)),
        };
        if let Err(error) = part.write_all(&buffer[..count]) {
            return Err(unwritable(blob, part, error));
        }
        *moved += count as u64;
        if told.elapsed() >= PROGRESS_EVERY || part.is_complete() {
            told = Instant::now();
            on_event(Event::BlobProgress { digest: blob.digest.clone(), done: part.offset() });
        }
    }
}

/// A full disk leaves what arrived for the next try; a sender that does not stop leaves nothing.
fn unwritable(blob: &Descriptor, part: &mut Part, error: io::Error) -> Error {
    let error = store::Error::writing(blob, error);
    if error.kind == store::Kind::Invalid
        && let Err(error) = part.restart()
    {
        return error.into();
    }
    error.into()
}

fn cut(reference: &Reference, blob: &Descriptor, error: &io::Error) -> Error {
    let report = ground::Error::new(format!("cannot pull {}", reference.familiar()))
        .why(format!("the connection broke inside {}: {error}", blob.digest))
        .fix("pull again: what arrived so far is kept");
    client::Error::cut(report).into()
}
