//! What was unpacked, beside the archives that it was unpacked from.

use std::collections::BTreeMap;

use oci::{Descriptor, Digest, ImageConfig};

use super::{Checked, Engine, Result};
use crate::{
    container::Record,
    snapshot::{self, Unpacked},
};

impl Engine {
    /// Compares all layers with their archives, but those that are known to be `wrong`.
    pub(super) fn check_layers(
        &self,
        checked: &mut Checked,
        wrong: &[Digest],
        repair: bool,
    ) -> Result<()> {
        let mut sources = self.sources()?;
        sources.retain(|_, layer| !wrong.contains(&layer.blob.digest));
        let records = Record::all(&self.layout).unwrap_or_default();
        let needed: Vec<(&Record, &Digest)> = records
            .iter()
            .flat_map(|record| record.image.layers.iter().map(move |layer| (record, layer)))
            .collect();
        let here = snapshot::layers_here(&self.layout)?;
        for (chain_id, source) in &sources {
            let is_needed = needed.iter().any(|(_, layer)| *layer == chain_id);
            if here.contains(chain_id) || is_needed {
                self.check_layer(source, checked, repair)?;
            }
        }
        let is_lost = |layer: &Digest| !sources.contains_key(layer) && !here.contains(layer);
        for (record, layer) in needed.into_iter().filter(|(_, layer)| is_lost(layer)) {
            checked.loss(
                format!("container {} needs the layer {layer}, which is not here", record.name),
                format!(
                    "pull its image again, and check again: mini-docker pull {}",
                    record.image.name
                ),
            );
        }
        Ok(())
    }

    fn check_layer(&self, layer: &Unpacked, checked: &mut Checked, repair: bool) -> Result<()> {
        checked.layers += 1;
        match layer.verify(&self.store, repair) {
            Ok(None) => {}
            Ok(Some(why)) => checked.flaw(
                format!("layer {} is not what it was unpacked from: {why}", layer.chain_id),
                "unpacked anew",
            ),
            // Its archive was removed, or cannot be unpacked: the files may be right all the same.
            Err(error) => {
                let why = error.why.unwrap_or(error.what);
                checked.loss(
                    format!("layer {} cannot be compared with its archive: {why}", layer.chain_id),
                    "free some space, or pull its image again, and check again",
                );
            }
        }
        Ok(())
    }

    /// What every layer was unpacked from, by the manifests of images and containers.
    fn sources(&self) -> Result<BTreeMap<Digest, Unpacked>> {
        let images = self.store.images()?.into_iter().map(|image| image.manifest);
        let records = Record::all(&self.layout).unwrap_or_default();
        let used = records.into_iter().map(|record| record.image.manifest);
        let mut sources = BTreeMap::new();
        for manifest in images.chain(used) {
            // Images that are not whole have been told of.
            let _ = self.add_sources(&manifest, &mut sources);
        }
        Ok(sources)
    }

    fn add_sources(
        &self,
        manifest: &Descriptor,
        sources: &mut BTreeMap<Digest, Unpacked>,
    ) -> Result<()> {
        let manifest = self.store.image_manifest(manifest)?;
        let json = self.store.document(&manifest.config.digest)?;
        let config: ImageConfig = serde_json::from_slice(&json)
            .map_err(|error| ground::Error::new("cannot read a config").why(error.to_string()))?;
        let chain = snapshot::chain_ids(&config);
        for ((chain_id, diff_id), blob) in
            chain.into_iter().zip(config.rootfs.diff_ids).zip(manifest.layers)
        {
            if self.store.has(&blob.digest) {
                sources.insert(chain_id.clone(), Unpacked { chain_id, diff_id, blob });
            }
        }
        Ok(())
    }
}
