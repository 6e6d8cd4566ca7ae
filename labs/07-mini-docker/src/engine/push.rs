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
        let pushed = push_image(&self.client, &self.store, (&image, reference), on_event)?;
        self.image_event("push", &reference.familiar(), &reference.familiar());
        Ok(pushed)
    }
}
