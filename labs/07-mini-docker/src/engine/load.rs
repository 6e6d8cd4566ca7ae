//! load: the images of an archive, checked, unpacked, and only then named.

use std::io::Read;

use ground::Error as Report;
use oci::{Digest, Platform, Reference};

use super::{Engine, Error, Result};
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
    /// Loads all images of an archive, which may be packed. All or none get their names. Only a
    /// platform that is wanted is asked of an image that there is for one alone: to have an image of
    /// another machine is no mistake.
    ///
    /// # Errors
    /// An archive that is none, or not what it says; an image for another platform than the wanted
    /// one; a full disk. Nothing that was here changes.
    pub fn load(
        &self,
        archive: impl Read,
        wanted: Option<&Platform>,
        on_event: OnEvent<'_>,
    ) -> Result<Vec<Loaded>> {
        let _lease = self.store.lease()?;
        let images = archive::load(&self.store, archive, wanted.unwrap_or(&self.platform))?;
        for image in &images {
            wanted.map_or(Ok(()), |platform| self.must_provide(image, platform))?;
        }
        for image in &images {
            self.unpack(&image.manifest, on_event)?;
        }
        images.into_iter().map(|image| self.name_loaded(image)).collect()
    }

    fn must_provide(&self, image: &archive::Loaded, platform: &Platform) -> Result<()> {
        let id = self.store.image_manifest(&image.manifest)?.config.digest;
        let config = self.store.config(&id)?;
        if config.is_for(platform) {
            return Ok(());
        }
        let name = image.names.first().map_or_else(|| id.to_string(), Reference::familiar);
        Err(Error::not_found(
            Report::new(format!(
                "image {name} doesn't provide the requested platform ({platform})"
            ))
            .why(format!("the archive has it for {}", config.platform))
            .fix("leave --platform out, or have the right one saved"),
        ))
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
