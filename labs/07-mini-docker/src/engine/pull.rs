//! pull: a name becomes an image, unpacked and ready to be run.

use std::{panic::resume_unwind, thread};

use oci::{Descriptor, Digest, Manifest, Reference};

use super::{Engine, Result};
use crate::{
    event::Event,
    snapshot::{self, Stage},
    store::Arrivals,
    transfer::{self, OnEvent, Pulled, Resolved},
};

impl Engine {
    // ANCHOR: pull
    /// Pulls an image. Nothing is moved or unpacked that is here already.
    ///
    /// # Errors
    /// The registry's, the disk's, or a layer that is not to be trusted. What arrived whole stays
    /// for the next try, and no name leads to an image whose layers cannot be unpacked.
    pub fn pull(&self, reference: &Reference, on_event: OnEvent<'_>) -> Result<Pulled> {
        let _lease = self.store.lease()?;
        let image = transfer::resolve(self.client()?, (reference, &self.platform), on_event)?;
        let config = image.fetch_config(self.client()?, &self.store, on_event)?;
        let layers = self.fetch_and_unpack(&image, on_event)?;
        let pulled = image.keep(&self.store, config + layers)?;
        pulled.name(&self.store, on_event)?;
        self.image_event("pull", &reference.familiar(), &reference.familiar());
        Ok(pulled)
    }

    /// The names of a repository in its registry, for pulling all of them.
    ///
    /// # Errors
    /// The registry's.
    pub fn tags_there(&self, repository: &Reference) -> Result<Vec<Reference>> {
        let tags = self.client()?.tags(repository)?;
        Ok(tags
            .iter()
            .filter_map(|tag| format!("{}:{tag}", repository.name()).parse().ok())
            .collect())
    }

    /// Layers are unpacked while they arrive.
    fn fetch_and_unpack(&self, image: &Resolved, on_event: OnEvent<'_>) -> Result<u64> {
        let layers = image.manifest.layers.iter().map(|layer| &layer.digest);
        let arrivals = &Arrivals::expecting(&self.store, layers);
        let client = self.client()?;
        thread::scope(|scope| {
            let unpacked = scope.spawn(move || {
                let unpacked = unpack(arrivals, &image.manifest, on_event);
                unpacked.inspect_err(|_| arrivals.give_up())
            });
            let moved = image.fetch_layers(client, arrivals, on_event);
            let unpacked = unpacked.join().unwrap_or_else(|panic| resume_unwind(panic));
            // What failed to unpack is why the rest was given up.
            unpacked?;
            Ok(moved?)
        })
    }
    // ANCHOR_END: pull

    /// Unpacks what is not unpacked yet of an image that is here, and returns its chain IDs, the
    /// lowest first.
    pub(super) fn unpack(
        &self,
        manifest: &Descriptor,
        on_event: OnEvent<'_>,
    ) -> Result<Vec<Digest>> {
        let manifest = self.store.image_manifest(manifest)?;
        let chain = unpack(&Arrivals::none(&self.store), &manifest, on_event)?;
        // Without arrivals nothing can fail to come.
        Ok(chain.unwrap_or_default())
    }
}

/// The chain IDs of an image, all unpacked; `None` when a layer did not arrive.
fn unpack(
    arrivals: &Arrivals,
    manifest: &Manifest,
    on_event: OnEvent<'_>,
) -> Result<Option<Vec<Digest>>> {
    let json = arrivals.store().document(&manifest.config.digest)?;
    let config = serde_json::from_slice(&json).map_err(|error| {
        ground::Error::new("cannot read the image config").why(error.to_string())
    })?;
    let on_layer = |blob: &Descriptor, stage: Stage| {
        let (digest, size) = (blob.digest.clone(), blob.size);
        on_event(match stage {
            Stage::Unpacking => Event::Unpacking { digest, size },
            Stage::Unpacked => Event::Unpacked { digest },
        });
    };
    Ok(snapshot::ensure_layers(arrivals, &config, &manifest.layers, &on_layer)?)
}
