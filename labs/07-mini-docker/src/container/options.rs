//! Options: what was asked for when a container was made, as data.
//!
//! Text became these types at the door (`cli/args`); nothing below parses a flag again. They are
//! kept in the record, so that a container that is started again is the same container.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Connection, Restart};

/// Everything about a container that does not come from its image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The name for the UTS namespace; the short ID if none.
    pub hostname: Option<String>,
    /// Whether the program gets a pseudo-terminal.
    pub tty: bool,
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
    pub limits: Limits,
    /// What its root may do.
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

/// One mount that the user or the image asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: Source,
    /// Where, absolute inside the container.
    pub destination: PathBuf,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A path of the host.
    Bind(PathBuf),
    /// A named volume.
    Volume {
        /// Its name.
        name: String,
        /// Whether we chose the name; then the volume goes with the container (`--rm`, `rm -v`).
        anonymous: bool,
    },
    /// A file system in memory, with options as in `size=64m`.
    Tmpfs(Vec<String>),
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

/// What a container may use; `None` is without limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<i64>,
    /// Bytes of memory and swap together; -1 is without limit.
    pub memory_swap: Option<i64>,
    /// Microseconds of CPU time in each [`Limits::cpu_period_us`].
    pub cpu_quota_us: Option<i64>,
    /// The period in microseconds.
    pub cpu_period_us: Option<u64>,
    /// The weight against other groups, normally 1024.
    pub cpu_shares: Option<u64>,
    /// The processors, as `0-1,3`.
    pub cpuset_cpus: Option<String>,
    /// Processes and threads.
    pub pids: Option<i64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What the container's root may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// Capabilities beyond the default, without the prefix `CAP_`; `ALL` for all.
    pub cap_add: Vec<String>,
    /// Capabilities to take away; `ALL` for all.
    pub cap_drop: Vec<String>,
    /// Everything is allowed.
    pub privileged: bool,
    /// The image cannot be written.
    pub read_only: bool,
    /// No program gains privileges by exec (PR_SET_NO_NEW_PRIVS(2const)).
    pub no_new_privileges: bool,
    /// No system call is filtered.
    pub seccomp_unconfined: bool,
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
