//! Archives: images as one tar file, for machines without a registry between them.
//!
//! Three formats are about, and one file can be all three at once:
//!
//! ```text
//! oci-layout, index.json, blobs/sha256/HEX    the OCI image layout: skopeo, umoci, docker >= 25
//! manifest.json                               names, config and layers: docker >= 1.10, podman
//! repositories                                names alone: what remains of the oldest format
//! ```
//!
//! We write that one file, and read all that these programs have written, packed or not. An archive
//! comes from strangers: a blob becomes visible only under the digest that its bytes have, links
//! are names and nothing else, and what has to be kept in memory is counted.
//!
//! | file | what it knows |
//! |---|---|
//! | `save` | images -> an archive |
//! | `read` | an archive -> blobs in the store, documents in memory |
//! | `layout` | `index.json` -> images |
//! | `docker` | `manifest.json` -> names and images |
//! | `layer` | a tar of files -> a packed layer |
//!
//! Source: image specification, image-layout.md; Docker's "Image Specification v1.2", "Combined
//! Image JSON + Filesystem Changeset Format".

mod docker;
mod layer;
mod layout;
mod read;
mod save;

use std::io::Read;

use ground::{Error, Result};
use oci::{Descriptor, Platform, Reference};

pub use layer::{Layer, pack_layer};
pub use save::{Saved, save};

use crate::store::Store;

/// An image that is in the store now and has no name yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its manifest.
    pub manifest: Descriptor,
    /// The names that the archive gives it.
    pub names: Vec<Reference>,
}

/// Brings the images of an archive into the store, all blobs checked. The caller holds a lease, and
/// names them when their layers could be unpacked.
///
/// # Errors
/// What is no archive of images; content that is not what its digest says; a full disk. What came
/// into the store by then has no name, and goes with the next collection.
pub fn load(store: &Store, archive: impl Read, platform: &Platform) -> Result<Vec<Loaded>> {
    let contents = read::contents(store, archive)?;
    let mut images = layout::images(store, &contents, platform)?;
    docker::add_images(store, &contents, &mut images)?;
    if images.is_empty() {
        return Err(refused("it has neither index.json nor manifest.json")
            .fix("a tar of files becomes an image by mini-docker import"));
    }
    Ok(images)
}

/// The report for an archive that is not loaded.
fn refused(why: impl Into<String>) -> Error {
    Error::new("cannot load the images").why(why)
}

/// The report for an archive that says something that cannot be true.
fn untrue(why: impl Into<String>) -> Error {
    refused(why).fix("have it saved again; if it stays so, do not trust whoever made it")
}
