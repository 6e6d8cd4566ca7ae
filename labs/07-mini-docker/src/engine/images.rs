//! images: what is here.

use oci::{Digest, ImageConfig};

use super::{Engine, Result};
use crate::store::Image;

/// One image, for a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSummary {
    /// The image.
    pub image: Image,
    /// When it was made (RFC 3339).
    pub created: Option<String>,
    /// The digest that its registry knows it by.
    pub digest: Digest,
    /// Bytes of its packed layers and documents. Docker counts unpacked files; here both are kept,
    /// and the packed ones are what a registry counts as well.
    pub size: u64,
}

impl Engine {
    /// All images, the newest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        let mut summaries = Vec::new();
        for image in self.store.images()? {
            let manifest = self.store.image_manifest(&image.manifest)?;
            let config = self.store.image_config(&image)?;
            let blobs: u64 = manifest.blobs().map(|blob| blob.size).sum();
            summaries.push(ImageSummary {
                created: config.created,
                digest: image.manifest.digest.clone(),
                size: blobs + image.manifest.size,
                image,
            });
        }
        summaries.sort_by(|a, b| b.created.cmp(&a.created));
        Ok(summaries)
    }

    /// The config of the image that somebody means.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`].
    pub fn image_config(&self, name: &str) -> Result<(Image, ImageConfig)> {
        let image = self.store.resolve(name)?;
        let config = self.store.image_config(&image)?;
        Ok((image, config))
    }
}
