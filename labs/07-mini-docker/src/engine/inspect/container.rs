//! A container's document.

use serde::Serialize;

use super::{
    Count,
    config::{self, ConfigDocument},
    host_config::{self, HostConfig},
    mounts::{self, MountPoint},
    network::{self, NetworkSettings},
    state::{self, StateDocument},
};
use crate::{
    bundle,
    container::Record,
    engine::{Engine, inspect::image::GraphDriver},
};

/// Everything about a container.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerDocument {
    id: String,
    created: String,
    path: String,
    args: Vec<String>,
    state: StateDocument,
    image: String,
    resolv_conf_path: String,
    hostname_path: String,
    hosts_path: String,
    log_path: String,
    name: String,
    restart_count: u32,
    driver: &'static str,
    platform: &'static str,
    mount_label: String,
    process_label: String,
    app_armor_profile: String,
    #[serde(rename = "ExecIDs")]
    exec_ids: Option<Vec<String>>,
    host_config: HostConfig,
    graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    mounts: Vec<MountPoint>,
    config: ConfigDocument,
    network_settings: NetworkSettings,
}

pub(super) fn document(engine: &Engine, record: &Record, count: Count) -> ContainerDocument {
    let words = bundle::words(&record.config);
    let layout = engine.container_layout(record);
    let sizes = (count == Count::Sizes).then(|| engine.sizes(record));
    let file = |name: &str| layout.bundle().join(name).display().to_string();
    ContainerDocument {
        id: record.id.clone(),
        created: record.created.clone(),
        path: words.first().cloned().unwrap_or_default(),
        args: words.get(1..).unwrap_or_default().to_vec(),
        state: state::document(record),
        image: record.image.id.to_string(),
        resolv_conf_path: file("resolv.conf"),
        hostname_path: file("hostname"),
        hosts_path: file("hosts"),
        log_path: layout.log().display().to_string(),
        name: format!("/{}", record.name),
        restart_count: record.state.restart_count,
        driver: "overlay2",
        platform: "linux",
        mount_label: String::new(),
        process_label: String::new(),
        app_armor_profile: String::new(),
        exec_ids: None,
        host_config: host_config::document(record),
        graph_driver: GraphDriver::of_container(engine, record),
        size_rw: sizes.map(|it| it.rw),
        size_root_fs: sizes.map(|it| it.root_fs),
        mounts: mounts::document(engine, record),
        config: config::of_container(record),
        network_settings: network::document(engine, record),
    }
}
