//! Limits: what a group may use, in the words of the OCI runtime specification.
//!
//! Every field is optional, and an absent one leaves the kernel's value alone. What a limit
//! becomes on disk is decided in [`Limits::writes`], without touching a file. Fields and meanings:
//! runtime-spec, config-linux.md, "Control groups".

use std::collections::BTreeMap;

use crate::{Bound, Controller, Controllers, Version};

/// What a group may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// CPU time.
    pub cpu: Cpu,
    /// Which CPUs and memory nodes.
    pub cpuset: Cpuset,
    /// Memory and swap.
    pub memory: Memory,
    /// Number of tasks (processes and threads).
    pub pids: Option<Bound>,
    /// Block devices.
    pub io: Vec<DeviceLimit>,
    /// Huge pages, by size.
    pub hugetlb: Vec<HugePages>,
    /// Any file of v2 and its value, for what has no field here. Written last.
    pub unified: BTreeMap<String, String>,
}

/// CPU time: the quota is a ceiling, shares and weight only matter when CPUs are contended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Microseconds of CPU time in each period, over all CPUs; at least 1000.
    pub quota_us: Option<Bound>,
    /// The period in microseconds, 1000 to 1000000; the kernel's default is 100000.
    pub period_us: Option<u64>,
    /// Unused quota that may be saved up for later, in microseconds; at most the quota.
    pub burst_us: Option<u64>,
    /// The share under contention, 2 to 262144, 1024 by default: v1's scale.
    pub shares: Option<u64>,
    /// The share under contention, 1 to 10000, 100 by default: v2's scale. Wins over `shares`.
    pub weight: Option<u64>,
    /// 1 makes the group run only when nobody else wants to.
    pub idle: Option<i64>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// The hard limit: above it the kernel reclaims, then kills.
    pub limit: Option<Bound>,
    /// Memory **and** swap together, as Docker and v1 count.
    pub swap: Option<Bound>,
    /// The soft limit, reclaimed to under pressure.
    pub reservation: Option<Bound>,
}

/// Placement, as lists like `0-3,7`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpuset {
    /// CPUs.
    pub cpus: Option<String>,
    /// Memory nodes.
    pub mems: Option<String>,
}

/// Throughput of one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceLimit {
    /// The device's major and minor number.
    pub device: (u64, u64),
    /// Bytes read per second.
    pub rbps: Option<u64>,
    /// Bytes written per second.
    pub wbps: Option<u64>,
    /// Reads per second.
    pub riops: Option<u64>,
    /// Writes per second.
    pub wiops: Option<u64>,
}

/// A limit on huge pages of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePages {
    /// The size as the kernel spells it: `2MB`, `1GB`.
    pub page_size: String,
    /// Bytes.
    pub limit: u64,
}

impl Limits {
    /// The controllers that these limits need.
    pub fn controllers(&self) -> Controllers {
        let Self { cpu, cpuset, memory, pids, io, hugetlb, unified } = self;
        let wanted = [
            (Controller::Cpu, *cpu != Cpu::default()),
            (Controller::Cpuset, *cpuset != Cpuset::default()),
            (Controller::Memory, *memory != Memory::default()),
            (Controller::Pids, pids.is_some()),
            (Controller::Io, !io.is_empty()),
            (Controller::Hugetlb, !hugetlb.is_empty()),
        ];
        let fields = wanted.into_iter().filter_map(|(it, is_wanted)| is_wanted.then_some(it));
        fields.chain(unified.keys().filter_map(|file| controller_of(file))).collect()
    }
}

/// The controller that a file belongs to: `memory` of `memory.high`.
pub(crate) fn controller_of(file: &str) -> Option<Controller> {
    let (name, _) = file.split_once('.')?;
    Controller::ALL.into_iter().find(|it| it.name(Version::V2) == name)
}
