//! The OCI types: the words that registries, image stores and runtimes exchange, as plain data.
//!
//! Three documents of the Open Container Initiative meet here. The *image specification* names
//! content by digest ([`Digest`], [`Descriptor`]), ties it together ([`Manifest`], [`Index`]) and
//! says how it wants to be run ([`ImageConfig`]). The *distribution specification* gives it names
//! ([`Reference`]). The *runtime specification* ([`runtime`]) is what is left when images are
//! forgotten: a directory and a `config.json`.
//!
//! This crate parses, compares and serialises. It opens no file, hashes nothing and knows no
//! network; whoever reads the bytes brings them here. Where Docker's older formats differ (schema
//! 2 manifests, fields with `null`), they are read as well, and what we do not know survives a
//! round trip where somebody else may need it.

mod chain_id;
mod descriptor;
mod digest;
mod image;
mod invalid;
mod manifest;
mod media_type;
mod platform;
mod reference;
pub mod runtime;
mod serde_null;

pub use chain_id::{chain_id, chain_ids};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest};
pub use image::{Config, Empty, Healthcheck, History, ImageConfig, RootFs};
pub use invalid::Invalid;
pub use manifest::{Document, Index, Manifest};
pub use media_type::{Compression, MediaType};
pub use platform::Platform;
pub use reference::Reference;
