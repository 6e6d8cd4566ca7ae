//! The runtime specification: a directory and a `config.json` in, a process out.
//!
//! This is the wall between what knows images and what starts processes. Above it, an engine turns
//! an image and some flags into a bundle: a root file system and this [`Spec`]. Below it, a runtime
//! (mini-runc, runc, crun) reads the bundle and makes system calls. Whatever is not written here
//! cannot be asked of a runtime.
//!
//! Complete for Linux, versions 1.0 to 1.3. Fields that we do not know are ignored when reading,
//! as the specification demands ("Extensibility").
//!
//! Source: runtime specification, config.md, config-linux.md, runtime.md.

mod hooks;
mod linux;
mod mount;
mod process;
mod resources;
mod seccomp;
mod state;
mod version;

pub use hooks::{Hook, Hooks};
pub use linux::{
    Device, IdMapping, IntelRdt, Linux, MemoryPolicy, Namespace, NamespaceKind, NetDevice,
    Personality, TimeOffset,
};
pub use mount::Mount;
pub use process::{
    Capabilities, ConsoleSize, ExecCpuAffinity, IoPriority, Process, Rlimit, Root, Scheduler, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, Memory, Network, NetworkPriority, Pids, Rdma,
    Resources, ThrottleDevice, WeightDevice,
};
pub use seccomp::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompRule};
pub use state::{ContainerProcessState, State, Status};
pub use version::Version;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The version that we write.
pub const VERSION: &str = "1.2.0";

/// `config.json`: everything that a runtime is told about a container.
///
/// Source: runtime specification, config.md.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The version of the specification that this follows.
    pub oci_version: String,
    /// The program; optional until start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The root file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// The name for the UTS namespace (sethostname(2)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The NIS domain for the UTS namespace (setdomainname(2)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// The mounts besides the root, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Programs to run at fixed moments of the life of a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// Free notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What only Linux has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
}

impl Spec {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Invalid`] for broken JSON, or a version that is none or other than 1.x: a runtime must not
    /// guess.
    pub fn parse(json: &[u8]) -> Result<Self, Invalid> {
        let spec: Self = serde_json::from_slice(json)
            .map_err(|error| Invalid::new("invalid config.json", error.to_string()))?;
        let version: Option<Version> = spec.oci_version.parse().ok();
        if version.is_none_or(|it| it.major != 1) {
            let why = format!("ociVersion is \"{}\"", spec.oci_version);
            return Err(Invalid::new("unsupported config.json", why)
                .fix(format!("versions 1.0.0 to 1.3.0 are understood, for example {VERSION}")));
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests;
