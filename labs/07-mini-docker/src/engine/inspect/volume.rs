//! A volume's document.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{engine::Engine, volume::Volume};

/// Everything about a volume.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeDocument {
    created_at: String,
    driver: &'static str,
    labels: Option<BTreeMap<String, String>>,
    mountpoint: String,
    name: String,
    options: Option<BTreeMap<String, String>>,
    scope: &'static str,
}

pub(super) fn document(engine: &Engine, volume: &Volume) -> VolumeDocument {
    // As in Docker, nothing said is null, and not an empty list.
    let pairs = |map: &BTreeMap<String, String>| Some(map.clone()).filter(|map| !map.is_empty());
    VolumeDocument {
        created_at: volume.created.clone(),
        driver: "local",
        labels: pairs(&volume.labels),
        mountpoint: engine.layout.volume_data(&volume.name).display().to_string(),
        name: volume.name.clone(),
        options: pairs(&volume.options),
        scope: "local",
    }
}
