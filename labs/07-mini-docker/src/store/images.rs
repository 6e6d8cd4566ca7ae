//! Images: names for manifests.
//!
//! `images.json` maps references to manifests. A tag is only a name: moving it to another manifest
//! leaves the old one here without a name ("dangling") until somebody removes it. The image ID is
//! the digest of the config, as in Docker, so that the same image has one ID whatever way its
//! layers were packed.
//!
//! The file is replaced in one step, so readers need no lock; writers take turns by `images.lock`.

use std::{collections::BTreeMap, fs, io};

use oci::{Descriptor, Digest, Document, ImageConfig, Invalid, Manifest, Reference};
use serde::{Deserialize, Serialize};

use super::{Error, Kind, Result, Store, blobs::broken, disk, replace};
use crate::store::disk::lock_file;

/// An image that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The image ID: the config's digest.
    pub id: Digest,
    /// The manifest.
    pub manifest: Descriptor,
    /// Its names: tags, and `name@digest` for what a registry called it.
    pub references: Vec<Reference>,
}

impl Image {
    /// Whether no tag leads to it.
    pub fn is_dangling(&self) -> bool {
        self.references.iter().all(|reference| reference.tag().is_none())
    }
}

/// The content of `images.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Records {
    /// By the manifest's digest.
    #[serde(default)]
    images: BTreeMap<Digest, Record>,
    /// To the manifest's digest.
    #[serde(default)]
    references: BTreeMap<Reference, Digest>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    id: Digest,
    manifest: Descriptor,
}

impl Records {
    fn image(&self, manifest: &Digest) -> Option<Image> {
        let record = self.images.get(manifest)?;
        let references = self.references.iter().filter(|(_, to)| *to == manifest);
        Some(Image {
            id: record.id.clone(),
            manifest: record.manifest.clone(),
            references: references.map(|(reference, _)| reference.clone()).collect(),
        })
    }
}

impl Store {
    /// Makes `reference` lead to `manifest`, whose blobs must be here. Returns the image that it
    /// led to before, if that was another one. A reference without tag and digest means `latest`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the manifest is not here, [`Kind::Invalid`] if it is an index.
    pub fn tag(&self, reference: &Reference, manifest: &Descriptor) -> Result<Option<Image>> {
        let before = self.tag_all(&[reference], manifest)?;
        Ok(before.into_iter().next())
    }

    /// Makes several references lead to `manifest` in one step: nobody ever sees some of them. Returns
    /// the other images that they led to.
    ///
    /// # Errors
    /// As [`Store::tag`].
    pub fn tag_all(&self, references: &[&Reference], manifest: &Descriptor) -> Result<Vec<Image>> {
        let id = self.image_manifest(manifest)?.config.digest;
        let record = Record { id, manifest: manifest.clone() };
        self.update(|records| {
            records.images.insert(manifest.digest.clone(), record);
            let names = references.iter().map(|reference| key(reference));
            let before: Vec<_> = names
                .filter_map(|name| records.references.insert(name, manifest.digest.clone()))
                .filter(|before| *before != manifest.digest)
                .collect();
            Ok(before.iter().filter_map(|before| records.image(before)).collect())
        })
    }

    /// Adds an image without any name, as a build's intermediate result.
    ///
    /// # Errors
    /// As [`Store::tag`].
    pub fn add_image(&self, manifest: &Descriptor) -> Result<()> {
        let id = self.image_manifest(manifest)?.config.digest;
        let record = Record { id, manifest: manifest.clone() };
        self.update(|records| {
            records.images.insert(manifest.digest.clone(), record);
            Ok(())
        })
    }

    /// Forgets a name. The image stays, maybe dangling. Returns it as it is now.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such name.
    pub fn untag(&self, reference: &Reference) -> Result<Image> {
        let reference = key(reference);
        self.update(|records| {
            let manifest = records.references.remove(&reference);
            manifest
                .and_then(|manifest| records.image(&manifest))
                .ok_or_else(|| no_such_image(&reference.familiar()))
        })
    }

    /// Forgets an image and all its names. Its blobs stay until [`Store::gc`].
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such image.
    pub fn remove_image(&self, manifest: &Digest) -> Result<()> {
        self.update(|records| {
            records.references.retain(|_, to| to != manifest);
            match records.images.remove(manifest) {
                Some(_) => Ok(()),
                None => Err(no_such_image(&manifest.to_string())),
            }
        })
    }

    /// All images, those with names first, by name.
    ///
    /// # Errors
    /// [`Kind::Disk`] or [`Kind::Invalid`] if the records cannot be read.
    pub fn images(&self) -> Result<Vec<Image>> {
        let records = self.records()?;
        let mut images: Vec<Image> =
            records.images.keys().filter_map(|manifest| records.image(manifest)).collect();
        images
            .sort_by_key(|image| (image.references.is_empty(), image.references.first().cloned()));
        Ok(images)
    }

    /// The image that a name leads to.
    ///
    /// # Errors
    /// As [`Store::images`].
    pub fn find(&self, reference: &Reference) -> Result<Option<Image>> {
        let records = self.records()?;
        let manifest = records.references.get(&key(reference));
        Ok(manifest.and_then(|manifest| records.image(manifest)))
    }

    /// The image that somebody means: an ID, a reference, or the first digits of an ID, looked for
    /// in this order, as Docker does.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or [`Kind::Ambiguous`] if the digits fit several.
    pub fn resolve(&self, text: &str) -> Result<Image> {
        let images = self.images()?;
        let by_digest = |digest: &Digest| {
            images.iter().find(|image| image.id == *digest || image.manifest.digest == *digest)
        };
        if let Some(image) = text.parse().ok().and_then(|digest| by_digest(&digest)) {
            return Ok(image.clone());
        }
        if let Ok(reference) = text.parse::<Reference>()
            && let Some(image) = self.find(&reference)?
        {
            return Ok(image);
        }
        by_prefix(&images, text)
    }

    /// The manifest of an image.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is not here, [`Kind::Invalid`] if it cannot be read as one.
    pub fn image_manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        match self.manifest(descriptor)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(_) => {
                let why = "it is an index, a list of images for several platforms";
                Err(broken(&descriptor.digest, &Invalid::new("not one image", why)))
            }
        }
    }

    /// The config of an image.
    ///
    /// # Errors
    /// As [`Store::image_manifest`].
    pub fn image_config(&self, image: &Image) -> Result<ImageConfig> {
        self.config(&image.id)
    }

    /// The config of that digest, which is the image's ID.
    ///
    /// # Errors
    /// As [`Store::image_manifest`].
    pub fn config(&self, id: &Digest) -> Result<ImageConfig> {
        let json = self.document(id)?;
        serde_json::from_slice(&json)
            .map_err(|error| broken(id, &Invalid::new("invalid image config", error.to_string())))
    }

    fn records(&self) -> Result<Records> {
        let path = self.layout.images();
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Records::default()),
            Err(error) => {
                let operation = format!("read {}", path.display());
                return Err(disk("cannot read the list of images", operation)(error));
            }
        };
        serde_json::from_slice(&json).map_err(|error| {
            let report = ground::Error::new("cannot read the list of images")
                .why(format!("{}: {error}", path.display()))
                .fix("move the file away; the blobs stay, and the next pull moves none again");
            Error::invalid(report)
        })
    }

    /// Reads, changes and replaces the records while nobody else does.
    fn update<T>(&self, change: impl FnOnce(&mut Records) -> Result<T>) -> Result<T> {
        let cannot = || disk("cannot write the list of images", "write images.json");
        let lock = lock_file(&self.layout.images_lock())?;
        lock.lock().map_err(cannot())?;
        let mut records = self.records()?;
        let changed = change(&mut records)?;
        let json = serde_json::to_vec_pretty(&records).map_err(io::Error::from).map_err(cannot())?;
        replace(&self.layout.ingest(), &self.layout.images(), &json).map_err(cannot())?;
        Ok(changed)
    }
}

/// What a name is kept under: a digest wins over a tag, and `latest` is meant where both are absent.
fn key(reference: &Reference) -> Reference {
    match reference.digest() {
        Some(digest) => reference.at(digest.clone()),
        None => reference.clone().or_latest(),
    }
}

/// The image whose ID starts with these digits.
fn by_prefix(images: &[Image], text: &str) -> Result<Image> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    let mut fitting = images.iter().filter(|image| is_hex && image.id.hex().starts_with(digits));
    let Some(first) = fitting.next() else { return Err(no_such_image(text)) };
    match fitting.find(|other| other.id != first.id) {
        None => Ok(first.clone()),
        Some(_) => {
            let report =
                ground::Error::new(format!("Multiple IDs found with provided prefix: {text}"))
                    .why("more than one image ID starts with these digits")
                    .fix("give more digits: mini-docker images --no-trunc");
            Err(Error::new(Kind::Ambiguous, report))
        }
    }
}

fn no_such_image(text: &str) -> Error {
    let report = ground::Error::new(format!("No such image: {text}"))
        .why("no name and no image ID in this store is like that")
        .fix("mini-docker images shows what is here, mini-docker pull gets it");
    Error::new(Kind::NotFound, report)
}
