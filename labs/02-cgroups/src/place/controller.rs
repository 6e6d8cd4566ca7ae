//! Controllers: each counts one resource, and what it is called depends on the version.

use std::collections::BTreeSet;

use crate::Version;

/// A set of controllers.
pub type Controllers = BTreeSet<Controller>;

/// What a group can count or limit (man 7 cgroups, "Cgroups version 1 controllers").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// CPU time: quota and weight.
    Cpu,
    /// CPU time used; part of the core of v2.
    Cpuacct,
    /// Which CPUs and memory nodes.
    Cpuset,
    /// Memory and swap.
    Memory,
    /// Number of tasks.
    Pids,
    /// Block devices: `blkio` in v1, `io` in v2.
    Io,
    /// Stopping and continuing; part of the core of v2.
    Freezer,
    /// Device nodes; a BPF program and no controller in v2.
    Devices,
    /// Huge pages.
    Hugetlb,
    /// The class of a group's packets; only in v1.
    NetCls,
    /// The priority of a group's packets by interface; only in v1.
    NetPrio,
    /// RDMA devices.
    Rdma,
    /// Scarce resources of the hardware; only in v2.
    Misc,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Memory,
        Self::Pids,
        Self::Io,
        Self::Freezer,
        Self::Devices,
        Self::Hugetlb,
        Self::NetCls,
        Self::NetPrio,
        Self::Rdma,
        Self::Misc,
    ];

    /// The name in /proc/cgroups (v1) or in `cgroup.controllers` (v2).
    pub fn name(self, version: Version) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Io if version == Version::V1 => "blkio",
            Self::Io => "io",
            Self::Freezer => "freezer",
            Self::Devices => "devices",
            Self::Hugetlb => "hugetlb",
            Self::NetCls => "net_cls",
            Self::NetPrio => "net_prio",
            Self::Rdma => "rdma",
            Self::Misc => "misc",
        }
    }

    /// The controller of that name, in the words of either version.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|it| it.name(Version::V1) == name || it.name(Version::V2) == name)
    }

    /// Whether every v2 group has it without a line in `cgroup.subtree_control`.
    pub fn is_core_of_v2(self) -> bool {
        matches!(self, Self::Cpuacct | Self::Freezer)
    }

    /// Whether only v1 has it; what v2 has instead is no controller.
    pub fn is_gone_in_v2(self) -> bool {
        matches!(self, Self::NetCls | Self::NetPrio | Self::Devices)
    }

    /// What is needed to watch a group and to end it; where one is missing, so is its number.
    pub fn accounting() -> Controllers {
        [Self::Cpu, Self::Cpuacct, Self::Memory, Self::Pids, Self::Freezer].into()
    }
}
