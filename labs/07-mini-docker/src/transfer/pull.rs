//! Pull: reference -> manifest -> config and layers, and at last a name.

use oci::{Descriptor, Document, Manifest, Platform, Reference};

use super::{AT_ONCE, Error, OnEvent, Result, download::fetch};
use crate::{
    event::Event,
    registry::client::{Client, Fetched},
    store::{Arrivals, Store},
    workers::each,
};

/// What a name leads to: the registry's answer, with nothing of the image here yet.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What was asked for.
    pub reference: Reference,
    /// What the registry answered with: a manifest or an index.
    pub target: Descriptor,
    /// The manifest of the image for the platform.
    pub manifest: Manifest,
    fetched: Fetched,
}

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
/// caller holds a [`crate::store::Lease`] until it is named.
///
/// # Errors
/// The first failure of any part; what arrived whole stays for the next try.
pub fn pull_manifest_tree(
    client: &Client,
    store: &Store,
    wanted: (&Reference, &Platform),
    on_event: OnEvent<'_>,
) -> Result<Pulled> {
    let image = resolve(client, wanted, on_event)?;
    let config = image.fetch_config(client, store, on_event)?;
    let layers = image.fetch_layers(client, &Arrivals::none(store), on_event)?;
    image.keep(store, config + layers)
}

/// Asks the registry what a name leads to, for a platform.
///
/// # Errors
/// The registry's; an index that has nothing for the platform; layers that are none.
pub fn resolve(
    client: &Client,
    (reference, platform): (&Reference, &Platform),
    on_event: OnEvent<'_>,
) -> Result<Resolved> {
    let reference = reference.clone().or_latest();
    on_event(Event::Resolving { reference: reference.clone() });
    let target = client.manifest(&reference)?;
    let (fetched, manifest) = choose(client, &reference, platform, &target)?;
    on_event(Event::Resolved {
        reference: reference.clone(),
        target: target.descriptor.digest.clone(),
        manifest: fetched.descriptor.digest.clone(),
        config: manifest.config.digest.clone(),
    });
    check_types(&reference, &manifest)?;
    Ok(Resolved { reference, target: target.descriptor, manifest, fetched })
}

impl Resolved {
    /// Brings the config, which is small and says what the layers become. Returns the bytes moved.
    ///
    /// # Errors
    /// As the download of one blob.
    pub fn fetch_config(
        &self,
        client: &Client,
        store: &Store,
        on_event: OnEvent<'_>,
    ) -> Result<u64> {
        self.fetch(client, (&Arrivals::none(store), &self.manifest.config), on_event)
    }

    /// Brings the layers, several at once; who waits for them in `arrivals` may read along. Returns
    /// the bytes moved.
    ///
    /// # Errors
    /// The first failure; what arrived whole stays for the next try.
    pub fn fetch_layers(
        &self,
        client: &Client,
        arrivals: &Arrivals,
        on_event: OnEvent<'_>,
    ) -> Result<u64> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in &self.manifest.layers {
            // An image may have the same layer twice.
            if !blobs.iter().any(|known| known.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        let moved = each(AT_ONCE, &blobs, |blob| self.fetch(client, (arrivals, blob), on_event));
        // Nobody waits for those that were not begun after a failure.
        let failed = |_: &Error| blobs.iter().for_each(|blob| arrivals.failed(&blob.digest));
        Ok(moved.inspect_err(failed)?.into_iter().sum())
    }

    /// Puts the manifest beside its blobs.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(self, store: &Store, moved: u64) -> Result<Pulled> {
        let before = store.find(&self.reference)?.map(|image| image.manifest.digest);
        store.put(&self.fetched.descriptor, self.fetched.bytes.as_slice())?;
        Ok(Pulled {
            was_up_to_date: before.as_ref() == Some(&self.fetched.descriptor.digest),
            reference: self.reference,
            target: self.target,
            manifest: self.fetched.descriptor,
            moved,
        })
    }

    fn fetch(
        &self,
        client: &Client,
        (arrivals, blob): (&Arrivals, &Descriptor),
        on_event: OnEvent<'_>,
    ) -> Result<u64> {
        let fetched = fetch(client, arrivals, (&self.reference, blob), on_event);
        match &fetched {
            Ok(_) => arrivals.here(&blob.digest),
            Err(_) => arrivals.failed(&blob.digest),
        }
        let what = format!("cannot pull {}", self.reference.familiar());
        fetched.map_err(|error| error.said_of(&what))
    }
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
