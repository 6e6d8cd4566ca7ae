//! What a container may use.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What all processes of a container may use together; `None` is without limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<i64>,
    /// Bytes of memory and swap together; -1 is without limit.
    pub memory_swap: Option<i64>,
    /// Bytes that are left to it when the machine's memory gets short.
    pub memory_reservation: Option<i64>,
    /// How readily its pages are swapped out, 0 to 100; cgroup v1 only.
    pub memory_swappiness: Option<u64>,
    /// Whether its processes wait for memory instead of being killed; cgroup v1 only.
    pub oom_kill_disable: bool,
    /// Microseconds of CPU time in each [`Limits::cpu_period_us`].
    pub cpu_quota_us: Option<i64>,
    /// The period in microseconds.
    pub cpu_period_us: Option<u64>,
    /// Billionths of a CPU, where it was said so: `--cpus`.
    pub nano_cpus: Option<u64>,
    /// The weight against other groups, normally 1024.
    pub cpu_shares: Option<u64>,
    /// The processors, as `0-1,3`.
    pub cpuset_cpus: Option<String>,
    /// The memory nodes, as `0-1`.
    pub cpuset_mems: Option<String>,
    /// Processes and threads.
    pub pids: Option<i64>,
    /// Block devices.
    pub block_io: BlockIo,
}

/// How fast block devices may be read and written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockIo {
    /// The weight against other groups, 10 to 1000.
    pub weight: Option<u16>,
    /// The weight on one device.
    pub weight_device: Vec<DeviceRate>,
    /// Bytes a second.
    pub read_bps: Vec<DeviceRate>,
    /// Bytes a second.
    pub write_bps: Vec<DeviceRate>,
    /// Operations a second.
    pub read_iops: Vec<DeviceRate>,
    /// Operations a second.
    pub write_iops: Vec<DeviceRate>,
}

/// A number for one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// The device, as /dev/vda.
    pub device: PathBuf,
    /// Bytes or operations a second, or a weight.
    pub rate: u64,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A limit of each process by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// The name, as `nofile`.
    pub name: String,
    /// What is enforced; `u64::MAX` is without limit.
    pub soft: u64,
    /// How far a process may raise that itself.
    pub hard: u64,
}
