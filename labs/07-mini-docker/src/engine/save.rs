//! save: images become one archive, as they are.

use std::io::Write;

use ground::Error as Report;
use oci::Reference;

use super::{Engine, Error, Result};
use crate::{
    archive::{self, Saved},
    store::Image,
};

impl Engine {
    /// Writes an archive of the images that these names mean: a tag, all tags of a repository, or
    /// an ID, which goes without a name.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`]; [`super::Kind::Conflict`] for an ID that fits several; a failed
    /// write, and then the archive is not whole.
    pub fn save(&self, names: &[String], out: impl Write) -> Result<()> {
        // Nobody may collect what is on the way out.
        let _lease = self.store.lease()?;
        Ok(archive::save(&self.store, &self.to_save(names)?, out)?)
    }

    /// The images with the names that were asked for, each image once.
    ///
    /// # Errors
    /// As [`Engine::save`].
    pub fn to_save(&self, names: &[String]) -> Result<Vec<Saved>> {
        let mut images: Vec<Saved> = Vec::new();
        for text in names {
            for (image, name) in self.meant(text)? {
                let digest = image.manifest.digest.clone();
                match images.iter_mut().find(|known| known.image.manifest.digest == digest) {
                    Some(known) => known.names.extend(name),
                    None => images.push(Saved { image, names: name.into_iter().collect() }),
                }
            }
        }
        for saved in &mut images {
            saved.names.sort();
            saved.names.dedup();
        }
        match images.is_empty() {
            true => Err(Error::invalid(Report::new("nothing to save").why("no image was named"))),
            false => Ok(images),
        }
    }

    fn meant(&self, text: &str) -> Result<Vec<(Image, Option<Reference>)>> {
        let reference = text.parse::<Reference>().ok();
        if let Some(repository) = reference.as_ref().filter(|name| name.is_name_only()) {
            let all = self.store.images()?.into_iter().flat_map(|image| {
                let tags = image.references.clone().into_iter();
                let tags =
                    tags.filter(|tag| tag.tag().is_some() && tag.name() == repository.name());
                tags.map(|tag| (image.clone(), Some(tag))).collect::<Vec<_>>()
            });
            let all: Vec<_> = all.collect();
            if !all.is_empty() {
                return Ok(all);
            }
        }
        let image = self.store.resolve(text)?;
        let name = reference.filter(|name| name.tag().is_some() && image.references.contains(name));
        Ok(vec![(image, name)])
    }
}
