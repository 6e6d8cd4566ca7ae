//! tag: one more name for an image.

use oci::Reference;

use super::{Engine, Result};

impl Engine {
    /// Makes `reference` lead to the image that `source` means. A name that led elsewhere leaves
    /// the other image behind, maybe without a name.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`] when there is no such image.
    pub fn tag(&self, source: &str, reference: &Reference) -> Result<()> {
        let _lease = self.store.lease()?;
        let image = self.store.resolve(source)?;
        self.store.tag(reference, &image.manifest)?;
        self.image_event("tag", &image.id.to_string(), &reference.familiar());
        Ok(())
    }
}
