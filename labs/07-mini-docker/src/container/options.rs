//! Options: what was asked for when a container was made, as data.
//!
//! Text became these types at the door (`cli/args`); nothing below parses a flag again. They are
//! kept in the record, so that a container that is started again is the same container.

mod devices;
mod limits;
mod mount;
mod namespaces;
mod security;

use std::collections::BTreeMap;

use oci::runtime::ConsoleSize;
use serde::{Deserialize, Serialize};

pub use devices::{DeviceAccess, DeviceUse};
pub use limits::{BlockIo, DeviceRate, Limits, Ulimit};
pub use mount::{Mount, Source};
pub use namespaces::{IpcMode, NamespaceOptions, PidMode};
pub use security::{SeccompMode, Security};

use super::{Connection, Restart};

/// Everything about a container that does not come from its image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The name for the UTS namespace; the short ID if none.
    pub hostname: Option<String>,
    /// Whether the program gets a pseudo-terminal.
    pub tty: bool,
    /// The size that it begins with: that of the terminal where somebody asked for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub console_size: Option<ConsoleSize>,
    /// Whether standard input stays open.
    pub interactive: bool,
    /// Whether the container is removed when its program ends.
    pub remove: bool,
    /// What is mounted besides the image.
    pub mounts: Vec<Mount>,
    /// Which network it sees.
    pub network: Network,
    /// How it is reached, and reaches others.
    #[serde(default)]
    pub connection: Connection,
    /// What it may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What its root may do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub security: Security,
    /// The runtime's name or path; our own if none.
    pub runtime: Option<String>,
    /// The cgroup that its cgroup is made in; the top of the tree if none.
    pub cgroup_parent: Option<String>,
    /// When it is started again.
    #[serde(default)]
    pub restart: Restart,
    /// Whether a small program of ours is PID 1, and the container's program its child.
    #[serde(default)]
    pub init: bool,
    /// Whether standard input ends with whoever gives it.
    #[serde(default)]
    pub stdin_once: bool,
    /// What becomes of the program's output.
    #[serde(default)]
    pub log: LogOptions,
    /// The NIS domain name (setdomainname(2)).
    #[serde(default, skip_serializing_if = "is_default")]
    pub domainname: Option<String>,
    /// The namespaces that it does not get for itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub namespaces: NamespaceOptions,
    /// The host's devices that it gets.
    #[serde(default, skip_serializing_if = "is_default")]
    pub devices: Vec<DeviceUse>,
    /// Which other devices may be opened.
    #[serde(default, skip_serializing_if = "is_default")]
    pub device_rules: Vec<DeviceAccess>,
    /// Further groups of the program, as names or numbers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub groups: Vec<String>,
    /// Resource limits of each process (setrlimit(2)).
    #[serde(default, skip_serializing_if = "is_default")]
    pub ulimits: Vec<Ulimit>,
    /// How likely its processes are killed when the machine's memory runs out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub oom_score_adj: Option<i32>,
    /// The size of /dev/shm in bytes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shm_size: Option<u64>,
    /// Kernel parameters of its namespaces.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sysctls: BTreeMap<String, String>,
    /// What is told to the runtime and kept there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Who makes its volumes: `local`, or nobody was named.
    #[serde(default, skip_serializing_if = "is_default")]
    pub volume_driver: Option<String>,
    /// `--isolation`, which on Linux is always the same one, as it was written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub isolation: Option<String>,
    /// The file that got its ID.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cid_file: Option<String>,
}

/// What becomes of the program's output, besides going to whoever is attached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOptions {
    /// Where it is kept.
    pub driver: LogDriver,
    /// `--log-opt`, as it was written, for `inspect`.
    pub written: BTreeMap<String, String>,
    /// How long a file gets, in bytes.
    pub max_size: Option<u64>,
    /// How many files there are at most; one if there is no limit for their length.
    pub max_files: Option<u32>,
}

/// Where output is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// In files, one JSON object a line.
    #[default]
    JsonFile,
    /// Nowhere.
    None,
}

/// Which network a container sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Its own, with a loopback interface and nothing else.
    #[default]
    None,
    /// The host's.
    Host,
    /// That of another container, by ID.
    Container(String),
    /// Its own, with an interface in each network of [`Connection::attachments`].
    Bridge,
}

impl Network {
    /// The container whose network this is.
    pub fn joined(&self) -> Option<&str> {
        match self {
            Self::Container(id) => Some(id),
            _ => None,
        }
    }
}

/// What replaces a part of the image's config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// What follows the image's name.
    pub command: Vec<String>,
    /// `--entrypoint`; an empty word means none.
    pub entrypoint: Option<String>,
    /// `NAME=value`, later ones win.
    pub env: Vec<String>,
    /// `--workdir`.
    pub working_dir: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`, in seconds; -1 is without end.
    pub stop_timeout: Option<i64>,
    /// `--health-..` and `--no-healthcheck`; what is not said here comes from the image.
    pub healthcheck: Option<oci::Healthcheck>,
}

/// What was not asked for is not written down: a record that is short fits where a disk is full.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
