//! Which namespaces a container shares with the host or with another container.

use serde::{Deserialize, Serialize};

/// The namespaces that a container does not get for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceOptions {
    /// Shared memory, semaphores and message queues (ipc_namespaces(7)).
    pub ipc: IpcMode,
    /// Process IDs (pid_namespaces(7)).
    pub pid: PidMode,
    /// Whether it has the host's name (uts_namespaces(7)).
    pub host_uts: bool,
    /// Whether it sees the host's tree of control groups (cgroup_namespaces(7)).
    pub host_cgroup: bool,
}

/// Whose shared memory it sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpcMode {
    /// Its own.
    #[default]
    Private,
    /// Its own, and others may join.
    Shareable,
    /// Its own, and no /dev/shm at all.
    None,
    /// The host's.
    Host,
    /// Another container's, by ID.
    Container(String),
}

/// Whose processes it sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PidMode {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// Another container's, by ID.
    Container(String),
}

impl NamespaceOptions {
    /// The IDs of the containers that must run when this one starts.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let ipc = match &self.ipc {
            IpcMode::Container(id) => Some(id.as_str()),
            _ => None,
        };
        let pid = match &self.pid {
            PidMode::Container(id) => Some(id.as_str()),
            _ => None,
        };
        ipc.into_iter().chain(pid)
    }
}
