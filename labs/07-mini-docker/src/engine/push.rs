//! push: an image goes to its registry, and only what that does not have.

use oci::Reference;

use super::{Engine, Result};
use crate::transfer::{OnEvent, Pushed, push_image};

impl Engine {
    /// Pushes the image of this name.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`] when there is no image of that name, else the registry's.
    pub fn push(&self, reference: &Reference, on_event: OnEvent<'_>) -> Result<Pushed> {
        let _lease = self.store.lease()?;
        let image = self.store.find(reference)?.ok_or_else(|| {
            super::Error::not_found(
                ground::Error::new(format!(
                    "An image does not exist locally with the tag: {}",
                    reference.familiar_name()
                ))
                .why("what is pushed is found by the name that it is to have over there")
                .fix(format!(
                    "give it that name first: mini-docker tag IMAGE {}",
                    reference.familiar()
                )),
            )
        })?;
        let pushed = push_image(self.client()?, &self.store, (&image, reference), on_event)?;
        self.image_event("push", &reference.familiar(), &reference.familiar());
        Ok(pushed)
    }

    /// The names of a repository that have a tag here, for pushing all of them.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`] when there is none.
    pub fn tags_here(&self, repository: &Reference) -> Result<Vec<Reference>> {
        let images = self.store.images()?;
        let mut names: Vec<Reference> = images
            .into_iter()
            .flat_map(|image| image.references)
            .filter(|name| name.tag().is_some() && name.name() == repository.name())
            .collect();
        names.sort();
        match names.is_empty() {
            false => Ok(names),
            true => Err(super::Error::not_found(
                ground::Error::new(format!(
                    "An image does not exist locally with the tag: {}",
                    repository.familiar_name()
                ))
                .why("no image here has a name of that repository")
                .fix("mini-docker images shows what is here"),
            )),
        }
    }
}
