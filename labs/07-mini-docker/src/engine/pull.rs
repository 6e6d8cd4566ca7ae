//! pull: a name becomes an image, unpacked and ready to be run.

use oci::Reference;

use super::{Engine, Result};
use crate::{
    event::Event,
    snapshot,
    transfer::{OnEvent, Pulled, pull_manifest_tree},
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
        let wanted = (reference, &self.platform);
        let pulled = pull_manifest_tree(&self.client, &self.store, wanted, on_event)?;
        self.unpack(&pulled.manifest, on_event)?;
        pulled.name(&self.store, on_event)?;
        self.image_event("pull", &reference.familiar(), &reference.familiar());
        Ok(pulled)
    }
    // ANCHOR_END: pull

    /// Unpacks what is not unpacked yet of an image, and returns its chain IDs, the lowest first.
    pub(super) fn unpack(
        &self,
        manifest: &oci::Descriptor,
        on_event: OnEvent<'_>,
    ) -> Result<Vec<oci::Digest>> {
        let manifest = self.store.image_manifest(manifest)?;
        let json = self.store.document(&manifest.config.digest)?;
        let config = serde_json::from_slice(&json).map_err(|error| {
            ground::Error::new("cannot read the image config").why(error.to_string())
        })?;
        let mut on_layer = |blob: &oci::Descriptor| {
            on_event(Event::Unpacking { digest: blob.digest.clone(), size: blob.size });
        };
        let layers =
            snapshot::ensure_layers(&self.store, &config, &manifest.layers, &mut on_layer)?;
        Ok(layers)
    }
}
