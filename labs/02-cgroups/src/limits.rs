//! Limits: what a group may use, in the words of the OCI runtime specification.
//!
//! Every field is optional, and an absent one leaves the kernel's value alone. What a limit
//! becomes on disk is decided in [`Limits::writes`], without touching a file; what a version has no
//! file for is named by [`Limits::ignored`]. Fields and meanings: runtime-spec, config-linux.md,
//! "Control groups".
//!
//! How a runtime uses it, for a container of either version:
//!
//! ```text
//! config.json --(runtime's own mapping)--> Limits
//!   create   Site::require(limits.controllers()), Group::create(site, name, controllers)
//!            warn of Group::ignored(&limits); Group::apply(&limits); Group::control_devices(..)
//!            Group::dir_fd() for CLONE_INTO_CGROUP, or Group::join() as steps of the child
//!   update   wanted = now.updated(&changes); Group::update(&now, &wanted): back to `now` if it fails
//!   events   Group::account(): everything the kernel counts
//! ```

mod cpu;
mod ignored;
mod io;
mod memory;
mod quantity;
mod rest;
mod updated;
mod write;
mod writes;

use std::collections::BTreeMap;

use crate::{Controller, Controllers, Version};

pub use cpu::shares_to_weight;
pub use ignored::Ignored;
pub use io::weight_of_v2;
pub use quantity::{Bound, Bytes, CpuList, Cpus, MemoryLimit, Tasks};
pub use write::{Absent, Write};

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
    pub io: Io,
    /// Huge pages, by size.
    pub hugetlb: Vec<HugePages>,
    /// Marks on network packets; v1 only.
    pub network: Network,
    /// RDMA resources, by the name of the device.
    pub rdma: BTreeMap<String, Rdma>,
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
    /// Microseconds of real-time scheduling in each period; v1 only.
    pub realtime_runtime_us: Option<i64>,
    /// The period of real-time scheduling in microseconds; v1 only.
    pub realtime_period_us: Option<u64>,
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
    /// The kernel's own memory for the group. No kernel since 5.16 limits it by itself.
    pub kernel: Option<Bound>,
    /// The part of it that is TCP buffers; v1 only.
    pub kernel_tcp: Option<Bound>,
    /// How readily pages are swapped out, 0 to 100; v1 only.
    pub swappiness: Option<u64>,
    /// Whether processes wait instead of being killed when memory runs out; v1 only.
    pub disable_oom_killer: Option<bool>,
    /// Whether the groups below are charged here as well: always so on v2 and since Linux 5.11.
    pub use_hierarchy: Option<bool>,
    /// Whether a limit below what is in use is refused, as v1 does anyway; without it v2 kills.
    pub check_before_update: bool,
}

/// Placement, as lists like `0-3,7`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpuset {
    /// CPUs.
    pub cpus: Option<String>,
    /// Memory nodes.
    pub mems: Option<String>,
}

/// Block devices: weights share what is contended, rates are ceilings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Io {
    /// The share of contended devices, 10 to 1000: v1's scale.
    pub weight: Option<u16>,
    /// The share against the groups below; v1 only, until Linux 5.0.
    pub leaf_weight: Option<u16>,
    /// What is said of single devices.
    pub devices: Vec<DeviceLimit>,
}

/// One block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceLimit {
    /// The device's major and minor number.
    pub device: (u64, u64),
    /// Its share, as [`Io::weight`].
    pub weight: Option<u16>,
    /// Its share against the groups below, as [`Io::leaf_weight`].
    pub leaf_weight: Option<u16>,
    /// Bytes read per second; 0 takes the limit away, here and in the next three.
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

/// Marks on the packets that a group sends, for tc(8) and the queueing of an interface; v1 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The class: `0xAAAABBBB` is AAAA:BBBB in tc's words.
    pub class_id: Option<u32>,
    /// Priorities by the interface's name.
    pub priorities: Vec<(String, u32)>,
}

/// A limit on the resources of one RDMA device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rdma {
    /// Handles; absent is unlimited.
    pub hca_handles: Option<u32>,
    /// Objects; absent is unlimited.
    pub hca_objects: Option<u32>,
}

impl Limits {
    /// The controllers that these limits need, in one version or the other. One that a version
    /// lacks altogether is told by [`Limits::ignored`].
    pub fn controllers(&self) -> Controllers {
        let Self { cpu, cpuset, memory, pids, io, hugetlb, network, rdma, unified } = self;
        let wanted = [
            (Controller::Cpu, *cpu != Cpu::default()),
            (Controller::Cpuset, *cpuset != Cpuset::default()),
            (Controller::Memory, *memory != Memory::default()),
            (Controller::Pids, pids.is_some()),
            (Controller::Io, *io != Io::default()),
            (Controller::Hugetlb, !hugetlb.is_empty()),
            (Controller::NetCls, network.class_id.is_some()),
            (Controller::NetPrio, !network.priorities.is_empty()),
            (Controller::Rdma, !rdma.is_empty()),
        ];
        let fields = wanted.into_iter().filter_map(|(it, is_wanted)| is_wanted.then_some(it));
        fields.chain(unified.keys().filter_map(|file| controller_of(file))).collect()
    }
}

/// The controller that a file belongs to: `memory` of `memory.high`.
fn controller_of(file: &str) -> Option<Controller> {
    let (name, _) = file.split_once('.')?;
    Controller::ALL.into_iter().find(|it| it.name(Version::V2) == name)
}
