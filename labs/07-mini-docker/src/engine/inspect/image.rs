//! An image's document.

use std::path::PathBuf;

use oci::Descriptor;
use serde::Serialize;
use template::OmitEmpty;

use super::config::{self, ConfigDocument};
use crate::{
    container::Record,
    engine::{Engine, Result},
    snapshot,
};

/// Everything about an image.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageDocument {
    id: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: String,
    comment: String,
    created: Option<String>,
    docker_version: String,
    author: String,
    config: ConfigDocument,
    architecture: String,
    variant: OmitEmpty<String>,
    os: String,
    size: u64,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    metadata: Metadata,
    descriptor: Descriptor,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    r#type: String,
    layers: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    last_tag_time: &'static str,
}

/// Where the files are.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphDriver {
    data: OverlayDirs,
    name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OverlayDirs {
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_dir: Option<PathBuf>,
    upper_dir: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    work_dir: Option<PathBuf>,
}

impl GraphDriver {
    /// The overlay of a container; the mount is seen by its processes and its monitor alone.
    pub(super) fn of_container(engine: &Engine, record: &Record) -> Self {
        let layout = engine.container_layout(record);
        Self {
            data: OverlayDirs {
                lower_dir: lower(engine, &record.image.layers),
                merged_dir: Some(layout.merged()),
                upper_dir: layout.upper(),
                work_dir: Some(layout.work()),
            },
            name: "overlay2",
        }
    }

    /// The topmost layer of an image, and those below it.
    fn of_image(engine: &Engine, layers: &[oci::Digest]) -> Self {
        let (below, top) = match layers.split_last() {
            Some((top, below)) => (below, engine.layout.layer_diff(top)),
            None => (layers, PathBuf::new()),
        };
        Self {
            data: OverlayDirs {
                lower_dir: lower(engine, below),
                merged_dir: None,
                upper_dir: top,
                work_dir: None,
            },
            name: "overlay2",
        }
    }
}

/// `lowerdir` of overlay: the topmost layer first.
fn lower(engine: &Engine, layers: &[oci::Digest]) -> Option<String> {
    let dirs = layers.iter().rev().map(|id| engine.layout.layer_diff(id).display().to_string());
    (!layers.is_empty()).then(|| dirs.collect::<Vec<_>>().join(":"))
}

pub(super) fn document(engine: &Engine, name: &str) -> Result<ImageDocument> {
    let (image, manifest) = engine.image(name)?;
    let config = engine.store.image_config(&image)?;
    let layers = snapshot::chain_ids(&config);
    let (tags, digests): (Vec<_>, Vec<_>) =
        image.references.iter().partition(|name| name.tag().is_some());
    let names = |list: Vec<&oci::Reference>| list.iter().map(|name| name.familiar()).collect();
    let blobs: u64 = manifest.blobs().map(|blob| blob.size).sum();
    let comment = config.history.last().and_then(|step| step.comment.clone());
    let version = config.extra.get("docker_version").and_then(serde_json::Value::as_str);
    Ok(ImageDocument {
        id: image.id.to_string(),
        repo_tags: names(tags),
        repo_digests: names(digests),
        parent: String::new(),
        comment: comment.unwrap_or_default(),
        docker_version: version.unwrap_or_default().to_owned(),
        author: config.author.clone().unwrap_or_default(),
        architecture: config.platform.architecture.clone(),
        variant: OmitEmpty(config.platform.variant.clone().unwrap_or_default()),
        os: config.platform.os.clone(),
        size: blobs + image.manifest.size,
        graph_driver: GraphDriver::of_image(engine, &layers),
        root_fs: RootFs {
            r#type: "layers".into(),
            layers: config.rootfs.diff_ids.iter().map(ToString::to_string).collect(),
        },
        metadata: Metadata { last_tag_time: "0001-01-01T00:00:00Z" },
        descriptor: image.manifest,
        config: config::of_image(&config.config.unwrap_or_default()),
        created: config.created,
    })
}
