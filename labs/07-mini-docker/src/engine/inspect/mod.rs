//! inspect: everything that is known, in the shape of Docker's API.
//!
//! The documents are types and not maps: their fields have Docker's order, and a template tells a
//! field that there is not from a label that there is not.
//!
//! Source: Docker Engine API v1.47, ContainerInspect, ImageInspect, VolumeInspect.

mod config;
mod container;
mod host_config;
mod image;
mod mounts;
mod network;
mod state;
mod volume;

pub use container::ContainerDocument;
pub use image::ImageDocument;
pub use volume::VolumeDocument;

use super::{Engine, Error, Kind, Result};
use crate::container::Record;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
}

/// Everything that is known about one object.
#[derive(Debug, Clone)]
pub enum Document {
    /// A container.
    Container(Box<ContainerDocument>),
    /// An image.
    Image(Box<ImageDocument>),
    /// A volume.
    Volume(VolumeDocument),
}

/// Whether what a container keeps is counted as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// `--size`
    Sizes,
    /// The default: it takes a walk through its files.
    Nothing,
}

impl Engine {
    /// Everything about the object of a name, whatever it is: a container, an image or a volume is
    /// looked for, in this order, as Docker does.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn inspect(&self, name: &str, count: Count) -> Result<Document> {
        for kind in [ObjectKind::Container, ObjectKind::Image, ObjectKind::Volume] {
            match self.inspect_as(kind, name, count) {
                Err(error) if error.kind == Kind::NotFound => {}
                found => return found,
            }
        }
        Err(Error::not_found(
            ground::Error::new(format!("No such object: {name}"))
                .why("no container, image, network or volume is called like that")
                .fix("mini-docker ps -a, images, network ls and volume ls show what is here"),
        ))
    }

    /// Everything about the object of a kind and a name.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn inspect_as(&self, kind: ObjectKind, name: &str, count: Count) -> Result<Document> {
        match kind {
            ObjectKind::Container => {
                let record = self.truth(self.container(name)?);
                let document = self.container_document(&record, count);
                Ok(Document::Container(Box::new(document)))
            }
            ObjectKind::Image => Ok(Document::Image(Box::new(self.image_document(name)?))),
            ObjectKind::Volume => Ok(Document::Volume(volume::document(self, &self.volume(name)?))),
        }
    }

    /// Everything about a container.
    pub fn container_document(&self, record: &Record, count: Count) -> ContainerDocument {
        container::document(self, record, count)
    }

    fn image_document(&self, name: &str) -> Result<ImageDocument> {
        image::document(self, name)
    }
}
