//! commit: what a container wrote becomes a layer, and an image with one layer more.

use ground::Error as Report;
use oci::{Descriptor, Digest, History, Manifest, MediaType, Reference};

use super::{Engine, Error, Result};
use crate::{
    container::{self, Record},
    instruction,
    snapshot::{Kept, Packed, pack},
};

/// How an image is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Its name, if it gets one.
    pub reference: Option<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// A note.
    pub message: Option<String>,
    /// Lines of a Dockerfile that change how it is run.
    pub changes: Vec<String>,
    /// Whether its programs stand still while their files are packed, where that can be had.
    pub pause: bool,
}

/// An image that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The image ID.
    pub id: Digest,
    /// Its manifest.
    pub manifest: Descriptor,
    /// The new layer.
    pub layer: Packed,
}

impl Engine {
    /// Makes an image of a container. What is in volumes is not in the container, and so not here.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`] when documents of the container's image are gone; a full disk.
    pub fn commit(&self, record: &Record, how: &Commit) -> Result<Committed> {
        let mut run = record.config.clone();
        instruction::apply(&mut run, &how.changes).map_err(Error::invalid)?;
        let _lease = self.store.lease()?;
        let below = self.store.image_manifest(&record.image.manifest)?;
        let layer = self.pack_standing_still(record, how.pause)?;
        let json = self.store.document(&below.config.digest)?;
        let mut config: oci::ImageConfig = serde_json::from_slice(&json).map_err(|error| {
            Error::invalid(Report::new("cannot read the image config").why(error.to_string()))
        })?;
        let now = container::now();
        config.created = Some(now.clone());
        config.author = how.author.clone().or(config.author);
        config.config = Some(run);
        config.rootfs.diff_ids.push(layer.diff_id.clone());
        config.history.push(History {
            created: Some(now),
            author: how.author.clone(),
            created_by: Some(crate::bundle::words(&record.config).join(" ")),
            comment: how.message.clone(),
            empty_layer: false,
        });
        let manifest = self.write_image(&below, &config, &layer)?;
        match &how.reference {
            Some(reference) => drop(self.store.tag(reference, &manifest)?),
            None => self.store.add_image(&manifest)?,
        }
        let id = self.store.image_manifest(&manifest)?.config.digest;
        let comment = how.message.as_deref().unwrap_or_default();
        let event = record.event("commit").with("comment", comment);
        event.with("imageID", id.to_string()).record(&self.layout.events());
        Ok(Committed { id, manifest, layer })
    }

    /// A container that was stopped in the middle is told as paused, and `unpause` lets it go on.
    fn pack_standing_still(&self, record: &Record, pause: bool) -> Result<Packed> {
        // An ordinary user without a delegated cgroup cannot stop it; then it is packed as it runs.
        let is_paused = pause && self.pause(record).is_ok();
        let packed = self.pack_upper(record);
        if is_paused {
            self.unpause(record)?;
        }
        packed
    }

    fn pack_upper(&self, record: &Record) -> Result<Packed> {
        let owners = self.owners(record)?;
        let kept = |path: &std::path::Path| -> Option<Kept> {
            owners.iter().find_map(|layer| layer.of(path))
        };
        let upper = self.container_layout(record).upper();
        let layer = pack(&self.store, &upper, &kept)?;
        self.store.record_layer(&layer.diff_id, &layer.blob)?;
        Ok(layer)
    }

    /// The config and the manifest, in the format of the image below.
    fn write_image(
        &self,
        below: &Manifest,
        config: &oci::ImageConfig,
        layer: &Packed,
    ) -> Result<Descriptor> {
        let is_docker = below.config.media_type == MediaType::DockerConfig;
        let (config_type, layer_type, manifest_type) = match is_docker {
            true => {
                (MediaType::DockerConfig, MediaType::DockerLayerGzip, MediaType::DockerManifest)
            }
            false => (MediaType::OciConfig, MediaType::OciLayerGzip, MediaType::OciManifest),
        };
        let json = |value: serde_json::Result<Vec<u8>>| {
            value.map_err(|error| Report::new("cannot write the image").why(error.to_string()))
        };
        let config = self.store.put_bytes(config_type, &json(serde_json::to_vec(config))?)?;
        let mut layers = below.layers.clone();
        layers.push(Descriptor { media_type: layer_type, ..layer.blob.clone() });
        let mut manifest = Manifest::new(config, layers);
        manifest.media_type = Some(manifest_type.clone());
        Ok(self.store.put_bytes(manifest_type, &json(serde_json::to_vec(&manifest))?)?)
    }
}
