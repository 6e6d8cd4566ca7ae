//! system df: what everything takes on the disk.

use std::collections::HashMap;

use oci::Digest;

use super::{Engine, Result, is_watched, size::bytes_below};
use crate::{
    container::{Record, Source},
    snapshot,
    store::Image,
};

/// What is used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// The images, in the store's order.
    pub images: Vec<ImageUsage>,
    /// The bytes of all images together; what several share counts once.
    pub images_bytes: u64,
    /// The containers, the newest first.
    pub containers: Vec<ContainerUsage>,
    /// The volumes, by name.
    pub volumes: Vec<VolumeUsage>,
}

/// What an image takes: its packed blobs and its unpacked layers.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageUsage {
    /// The image.
    pub image: Image,
    /// When it was made (RFC 3339).
    pub created: Option<String>,
    /// All its bytes.
    pub size: u64,
    /// Those of them that other images have as well.
    pub shared: u64,
    /// How many containers were made of it.
    pub containers: usize,
}

/// What a container takes.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerUsage {
    /// What is known about it.
    pub record: Record,
    /// The bytes that it wrote.
    pub size: u64,
    /// How many volumes it uses.
    pub volumes: usize,
    /// Whether it runs.
    pub is_active: bool,
}

/// What a volume takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUsage {
    /// Its name.
    pub name: String,
    /// The bytes in it.
    pub size: u64,
    /// How many containers use it.
    pub links: usize,
}

/// The parts of an image, by digest, with their bytes.
type Parts = HashMap<Digest, u64>;

impl Engine {
    /// Looks at everything that lies under the root directory.
    ///
    /// # Errors
    /// A store or a record that cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        let records = Record::all(&self.layout)?;
        let mut usage = Usage::default();
        let images = self.store.images()?;
        let parts: Vec<Parts> = images.iter().map(|image| self.parts(image)).collect();
        let mut users: HashMap<&Digest, usize> = HashMap::new();
        for digest in parts.iter().flat_map(HashMap::keys) {
            *users.entry(digest).or_default() += 1;
        }
        for (image, parts) in images.iter().zip(&parts) {
            let shared =
                parts.iter().filter(|(digest, _)| users.get(digest).is_some_and(|it| *it > 1));
            usage.images.push(ImageUsage {
                created: self.store.image_config(image).ok().and_then(|config| config.created),
                size: parts.values().sum(),
                shared: shared.map(|(_, bytes)| bytes).sum(),
                containers: records.iter().filter(|record| record.image.id == image.id).count(),
                image: image.clone(),
            });
        }
        let all: Parts = parts.into_iter().flatten().collect();
        usage.images_bytes = all.values().sum();
        usage.volumes = self.volume_usage(&records)?;
        usage.containers = records.into_iter().map(|record| self.container_usage(record)).collect();
        Ok(usage)
    }

    fn parts(&self, image: &Image) -> Parts {
        let mut parts = Parts::from([(image.manifest.digest.clone(), image.manifest.size)]);
        if let Ok(manifest) = self.store.image_manifest(&image.manifest) {
            parts.extend(manifest.blobs().map(|blob| (blob.digest.clone(), blob.size)));
        }
        if let Ok(config) = self.store.image_config(image) {
            // A chain ID is no blob's digest, so the two never meet.
            parts.extend(snapshot::chain_ids(&config).into_iter().map(|chain_id| {
                let bytes = bytes_below(&self.layout.layer_diff(&chain_id));
                (chain_id, bytes)
            }));
        }
        parts
    }

    fn container_usage(&self, record: Record) -> ContainerUsage {
        let record = self.truth(record);
        let is_volume = |source: &Source| matches!(source, Source::Volume { .. });
        ContainerUsage {
            size: bytes_below(&self.container_layout(&record).upper()),
            volumes: record.options.mounts.iter().filter(|it| is_volume(&it.source)).count(),
            is_active: is_watched(&record),
            record,
        }
    }

    fn volume_usage(&self, records: &[Record]) -> Result<Vec<VolumeUsage>> {
        let uses = |record: &Record, name: &str| {
            let mut mounts = record.options.mounts.iter();
            mounts.any(|it| matches!(&it.source, Source::Volume { name: used, .. } if used == name))
        };
        let usage = |name: String| VolumeUsage {
            size: bytes_below(&self.layout.volume_data(&name)),
            links: records.iter().filter(|record| uses(record, &name)).count(),
            name,
        };
        Ok(crate::volume::names(&self.layout)?.into_iter().map(usage).collect())
    }
}
