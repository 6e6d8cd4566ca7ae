//! State: what a runtime answers when asked how a container is.
//!
//! Source: runtime specification, runtime.md, "State".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The state of a container, as `runc state` prints it and hooks read it.
///
/// Source: runtime.md, "State".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification that this follows.
    pub oci_version: String,
    /// The container's name, unique on this machine for this runtime.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// The first process, seen from the runtime; absent or 0 when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The directory with `config.json`, absolute.
    pub bundle: String,
    /// The annotations of `config.json`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What the listener of a system call filter is sent with the filter's descriptor.
///
/// Source: config-linux.md, "The Container Process State".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState {
    /// The version of the specification that this follows.
    pub oci_version: String,
    /// The names of the descriptors that come along, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fds: Vec<String>,
    /// The process, seen from the runtime.
    pub pid: i32,
    /// What `listenerMetadata` of config.json says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// The container.
    pub state: State,
}

/// Where a container is in its life.
///
/// Source: runtime.md, "State"; `paused` is runc's, the specification allows more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being made; there may be no process yet.
    Creating,
    /// Everything is there, and the program was not started.
    Created,
    /// The program was started and has not ended.
    Running,
    /// The program has ended.
    Stopped,
    /// Frozen by the cgroup freezer.
    Paused,
}
