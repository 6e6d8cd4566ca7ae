//! Saving: images become one archive that is an OCI layout and has Docker's documents beside it.
//!
//! ```text
//! blobs/sha256/HEX     configs, layers as they are packed here, manifests
//! index.json           the manifests, each with its names
//! manifest.json        config, names and layers by path
//! oci-layout           says that it is one
//! repositories         names for the oldest readers
//! ```
//!
//! The same images are the same bytes every time: nothing is packed anew, and no time gets in.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
};

use ground::{Error, Result};
use oci::{Descriptor, Digest, Index, Manifest, MediaType, Reference};
use serde::Serialize;
use tar::{Builder, EntryType, Header};

use super::{
    docker::Item,
    layout::{IMAGE_NAME, REF_NAME},
};
use crate::store::{Image, Store, sha256};

/// An image to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The image.
    pub image: Image,
    /// The names that go with it, each with a tag.
    pub names: Vec<Reference>,
}

/// Writes an archive of these images.
///
/// # Errors
/// A blob that is not here; a failed write.
pub fn save(store: &Store, images: &[Saved], out: impl Write) -> Result<()> {
    let mut writer = Writer { tar: Builder::new(out), store, written: BTreeSet::new() };
    let mut index = Index::new(Vec::new());
    let mut items = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    writer.directory("blobs/")?;
    for Saved { image, names } in images {
        let original = store.image_manifest(&image.manifest)?;
        let manifest = writer.image(image, &original)?;
        index.manifests.extend(entries(&manifest, names));
        items.push(item(&original, names));
        let top = original.layers.last().unwrap_or(&original.config).digest.hex();
        for name in names {
            let tags = repositories.entry(name.familiar_name()).or_default();
            tags.insert(name.tag_or_digest(), top.to_owned());
        }
    }
    writer.json("index.json", &index)?;
    writer.json("manifest.json", &items)?;
    writer.json("oci-layout", &BTreeMap::from([("imageLayoutVersion", "1.0.0")]))?;
    if !repositories.is_empty() {
        writer.json("repositories", &repositories)?;
    }
    writer.tar.into_inner().and_then(|mut out| out.flush()).map_err(|error| cannot(&error))
}

/// An entry of `index.json` for each name, in the words of containerd and of the specification.
fn entries(manifest: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    let named = |name: &Reference| {
        let annotations = [(IMAGE_NAME, name.to_string()), (REF_NAME, name.tag_or_digest())];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value)).into();
        Descriptor { annotations, ..manifest.clone() }
    };
    match names {
        [] => vec![manifest.clone()],
        names => names.iter().map(named).collect(),
    }
}

fn item(manifest: &Manifest, names: &[Reference]) -> Item {
    let tags: Vec<String> = names.iter().map(Reference::familiar).collect();
    Item {
        config: path(&manifest.config.digest),
        repo_tags: (!tags.is_empty()).then_some(tags),
        layers: Some(manifest.layers.iter().map(|layer| path(&layer.digest)).collect()),
    }
}

fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

struct Writer<'a, W: Write> {
    tar: Builder<W>,
    store: &'a Store,
    written: BTreeSet<String>,
}

impl<W: Write> Writer<'_, W> {
    /// The blobs of an image, and its manifest as a layout can have it.
    fn image(&mut self, image: &Image, manifest: &Manifest) -> Result<Descriptor> {
        for blob in manifest.blobs() {
            let content = self.store.blob(&blob.digest)?;
            self.blob(&blob.digest, self.store.size(&blob.digest)?, content)?;
        }
        if image.manifest.media_type == MediaType::OciManifest {
            let json = self.store.document(&image.manifest.digest)?;
            self.blob(&image.manifest.digest, json.len() as u64, json.as_slice())?;
            return Ok(Descriptor::new(
                MediaType::OciManifest,
                image.manifest.digest.clone(),
                json.len() as u64,
            ));
        }
        // Docker's older type has the same shape, and readers of layouts take only the newer.
        let json = serialised(&as_oci(manifest))?;
        let digest = sha256(&json);
        self.blob(&digest, json.len() as u64, json.as_slice())?;
        Ok(Descriptor::new(MediaType::OciManifest, digest, json.len() as u64))
    }

    fn blob(&mut self, digest: &Digest, size: u64, content: impl Read) -> Result<()> {
        let dir = format!("blobs/{}/", digest.algorithm().as_str());
        self.directory(&dir)?;
        let path = path(digest);
        if !self.written.insert(path.clone()) {
            return Ok(());
        }
        self.file(&path, size, content)
    }

    fn json(&mut self, path: &str, value: &impl Serialize) -> Result<()> {
        let json = serialised(value)?;
        self.file(path, json.len() as u64, json.as_slice())
    }

    fn directory(&mut self, path: &str) -> Result<()> {
        if !self.written.insert(path.to_owned()) {
            return Ok(());
        }
        let mut header = header(EntryType::Directory, 0o755, 0);
        self.tar.append_data(&mut header, path, io::empty()).map_err(|error| cannot(&error))
    }

    fn file(&mut self, path: &str, size: u64, content: impl Read) -> Result<()> {
        let mut header = header(EntryType::Regular, 0o644, size);
        let content = content.take(size);
        self.tar.append_data(&mut header, path, content).map_err(|error| cannot(&error))
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn as_oci(manifest: &Manifest) -> Manifest {
    let renamed = |blob: &Descriptor| Descriptor {
        media_type: match &blob.media_type {
            MediaType::DockerConfig => MediaType::OciConfig,
            MediaType::DockerLayer => MediaType::OciLayer,
            MediaType::DockerLayerGzip => MediaType::OciLayerGzip,
            MediaType::DockerLayerZstd => MediaType::OciLayerZstd,
            MediaType::DockerForeignLayer => MediaType::OciForeignLayerGzip,
            other => other.clone(),
        },
        ..blob.clone()
    };
    Manifest {
        media_type: Some(MediaType::OciManifest),
        config: renamed(&manifest.config),
        layers: manifest.layers.iter().map(renamed).collect(),
        ..manifest.clone()
    }
}

fn serialised(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::new("cannot save the images").why(error.to_string()))
}

fn cannot(error: &io::Error) -> Error {
    let report = Error::new("cannot save the images").io("write", error);
    match error.kind() {
        io::ErrorKind::StorageFull => report.fix("free some space, or save to another disk"),
        _ => report,
    }
}
