//! `.Mounts`: what a container sees besides its image.

use serde::Serialize;
use template::OmitEmpty;

use crate::{
    container::{Record, Source},
    engine::Engine,
};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MountPoint {
    r#type: &'static str,
    name: OmitEmpty<String>,
    source: String,
    destination: String,
    driver: OmitEmpty<&'static str>,
    mode: String,
    #[serde(rename = "RW")]
    rw: bool,
    propagation: String,
}

pub(super) fn document(engine: &Engine, record: &Record) -> Vec<MountPoint> {
    let point = |mount: &crate::container::Mount| {
        let (kind, name, source) = match &mount.source {
            Source::Bind(path) => ("bind", "", path.display().to_string()),
            Source::Volume { name, .. } => {
                let data = engine.layout.volume_data(name);
                ("volume", name.as_str(), data.display().to_string())
            }
            // In Docker, what `--tmpfs` makes stands in .HostConfig.Tmpfs alone.
            Source::Tmpfs(_) => return None,
        };
        let is_volume = kind == "volume";
        Some(MountPoint {
            r#type: kind,
            name: OmitEmpty(name.to_owned()),
            source,
            destination: mount.destination.display().to_string(),
            driver: OmitEmpty(if is_volume { "local" } else { "" }),
            mode: if mount.read_only { "ro".into() } else { String::new() },
            rw: !mount.read_only,
            propagation: match is_volume {
                true => String::new(),
                false => mount.propagation.clone().unwrap_or_else(|| "rprivate".into()),
            },
        })
    };
    record.options.mounts.iter().filter_map(point).collect()
}
