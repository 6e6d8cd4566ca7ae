//! load: the images of an archive, checked, unpacked, and only then named.

use std::io::Read;

use oci::{Digest, Reference};

use super::{Engine, Result};
use crate::{archive, store::Image, transfer::OnEvent};

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its ID.
    pub id: Digest,
    /// Its names.
    pub names: Vec<Reference>,
    /// Names that led to another image before, and that image's ID.
    pub moved: Vec<(Reference, Digest)>,
}

impl Engine {
    /// Loads all images of an archive, which may be packed. All or none get their names.
    ///
    /// # Errors
    /// An archive that is none, or not what it says; a full disk. Nothing that was here changes.
    pub fn load(&self, archive: impl Read, on_event: OnEvent<'_>) -> Result<Vec<Loaded>> {
        let _lease = self.store.lease()?;
        let images = archive::load(&self.store, archive, &self.platform)?;
        for image in &images {
            self.unpack(&image.manifest, on_event)?;
        }
        images.into_iter().map(|image| self.name_loaded(image)).collect()
    }

    fn name_loaded(&self, loaded: archive::Loaded) -> Result<Loaded> {
        let id = self.store.image_manifest(&loaded.manifest)?.config.digest;
        // The same config is the same image, whatever way its layers are packed: what is here stays,
        // with the digest by which a registry knows it.
        let known = self.store.images()?.into_iter().find(|image| image.id == id);
        let known = known.filter(|image| self.is_whole(image)).map(|image| image.manifest);
        let manifest = known.unwrap_or(loaded.manifest);
        let mut moved = Vec::new();
        for name in &loaded.names {
            let before = self.store.find(name)?.filter(|image| image.id != id);
            moved.extend(before.map(|image| (name.clone(), image.id)));
        }
        let names: Vec<&Reference> = loaded.names.iter().collect();
        self.store.tag_all(&names, &manifest)?;
        Ok(Loaded { id, names: loaded.names, moved })
    }

    /// Whether all that the image leads to is here.
    fn is_whole(&self, image: &Image) -> bool {
        let manifest = self.store.image_manifest(&image.manifest);
        manifest.is_ok_and(|manifest| manifest.blobs().all(|blob| self.store.has(&blob.digest)))
    }
}
