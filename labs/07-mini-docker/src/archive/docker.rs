//! Docker's `manifest.json`: for each image its config, its names and its layers, by path.
//!
//! Since Docker 25 it stands beside an OCI layout and only adds names. Before, and in what podman
//! and skopeo call `docker-archive`, it is all there is: layers are plain tar files, and there is no
//! manifest, so we write one.

use ground::Result;
use oci::{Descriptor, Digest, ImageConfig, Manifest, MediaType, Reference};
use serde::{Deserialize, Serialize};

use super::{
    Loaded,
    read::{Contents, blob_path},
    refused, untrue,
};
use crate::store::{Store, sha256};

/// One image in `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Item {
    /// The path of the image config.
    pub config: String,
    /// Its names; null where it has none.
    pub repo_tags: Option<Vec<String>>,
    /// The paths of its layers, the lowest first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
}

/// Adds the images of `manifest.json`, and its names to those that are known already.
pub fn add_images(store: &Store, contents: &Contents, images: &mut Vec<Loaded>) -> Result<()> {
    let Some(json) = contents.document("manifest.json") else {
        if images.is_empty() && contents.document("repositories").is_some() {
            return Err(refused("it is of the format that Docker had before 2016")
                .fix("load it into a Docker between 1.10 and 24, and save it from there"));
        }
        return Ok(());
    };
    let items: Vec<Item> = serde_json::from_slice(json)
        .map_err(|error| untrue(format!("manifest.json cannot be read: {error}")))?;
    for item in &items {
        let names = names(item)?;
        let config = config(store, contents, &item.config)?;
        let known = images.iter_mut().find(|image| has_config(store, image, &config.digest));
        match known {
            Some(image) => image.names.extend(names),
            None => images.push(Loaded { manifest: build(store, contents, item, config)?, names }),
        }
    }
    for image in images {
        image.names.sort();
        image.names.dedup();
    }
    Ok(())
}

fn has_config(store: &Store, image: &Loaded, config: &Digest) -> bool {
    store.image_manifest(&image.manifest).is_ok_and(|manifest| manifest.config.digest == *config)
}

fn names(item: &Item) -> Result<Vec<Reference>> {
    let parse = |name: &String| {
        let parsed = name.parse::<Reference>().map(Reference::or_latest);
        parsed.map_err(|invalid| untrue(format!("{}: {}", invalid.what, invalid.why)))
    };
    item.repo_tags.iter().flatten().map(parse).collect()
}

/// The image config, in the store.
fn config(store: &Store, contents: &Contents, path: &str) -> Result<Descriptor> {
    let missing = || untrue(format!("manifest.json in it leads to {path}, which is not in it"));
    if let Some(digest) = blob_path(path) {
        let size = store.size(&digest).map_err(|_| missing())?;
        return Ok(Descriptor::new(MediaType::DockerConfig, digest, size));
    }
    let json = contents.document(path).ok_or_else(missing)?;
    // Docker and podman name the file after its digest: then it must be true.
    let named = path.strip_suffix(".json").and_then(|hex| format!("sha256:{hex}").parse().ok());
    if named.is_some_and(|named: Digest| named != sha256(json)) {
        return Err(untrue(format!("{path} is not what its name says")));
    }
    Ok(store.put_bytes(MediaType::DockerConfig, json)?)
}

/// Writes the manifest that the format lacks.
fn build(
    store: &Store,
    contents: &Contents,
    item: &Item,
    config: Descriptor,
) -> Result<Descriptor> {
    let json = store.document(&config.digest)?;
    let image: ImageConfig = serde_json::from_slice(&json)
        .map_err(|error| untrue(format!("{} is no image config: {error}", item.config)))?;
    let paths = item.layers.clone().unwrap_or_default();
    let diff_ids = &image.rootfs.diff_ids;
    if paths.len() != diff_ids.len() {
        return Err(untrue(format!(
            "manifest.json names {} layers for {}, whose config has {}",
            paths.len(),
            item.config,
            diff_ids.len()
        )));
    }
    let layers = paths.iter().zip(diff_ids);
    let layers: Result<Vec<_>> =
        layers.map(|(path, diff_id)| layer(store, contents, path, diff_id)).collect();
    let mut manifest = Manifest::new(config, layers?);
    manifest.media_type = Some(MediaType::DockerManifest);
    let json = serde_json::to_vec(&manifest)
        .map_err(|error| refused(format!("its manifest cannot be written: {error}")))?;
    Ok(store.put_bytes(MediaType::DockerManifest, &json)?)
}

fn layer(store: &Store, contents: &Contents, path: &str, diff_id: &Digest) -> Result<Descriptor> {
    let missing = || untrue(format!("manifest.json in it leads to {path}, which is not in it"));
    if let Some(digest) = blob_path(path) {
        // Since Docker 25 a layer's file is named after what it is unpacked.
        let size = store.size(&digest).map_err(|_| missing())?;
        let packed =
            if digest == *diff_id { MediaType::DockerLayer } else { MediaType::DockerLayerGzip };
        return Ok(Descriptor::new(packed, digest, size));
    }
    let layer = contents.layer(path).ok_or_else(missing)?;
    if layer.diff_id != *diff_id {
        return Err(untrue(format!("{path} is {}, and the image wants {diff_id}", layer.diff_id)));
    }
    let media_type = match layer.blob.media_type {
        MediaType::OciLayerZstd | MediaType::DockerLayerZstd => MediaType::DockerLayerZstd,
        MediaType::OciLayer | MediaType::DockerLayer => MediaType::DockerLayer,
        _ => MediaType::DockerLayerGzip,
    };
    Ok(Descriptor { media_type, ..layer.blob.clone() })
}
