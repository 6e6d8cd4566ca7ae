//! What a version has no file for: a runtime says so instead of pretending.
//!
//! The words of the runtime specification are v1's. runc and crun leave out silently what v2 does
//! not have; here it is a list, and whoever applies limits decides what to make of it.

use super::Limits;
use crate::{Controller, Version};

/// A limit that was asked for and cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    /// The controller it would have been for.
    pub controller: Controller,
    /// The field, as config.json spells it below `linux.resources`.
    pub field: &'static str,
    /// Why the kernel has no place for it.
    pub why: &'static str,
}

impl Limits {
    /// The limits that trees of `version` have no file for.
    pub fn ignored(&self, version: Version) -> Vec<Ignored> {
        let found = match version {
            Version::V1 => self.ignored_by_v1(),
            Version::V2 => self.ignored_by_v2(),
        };
        let asked = found.into_iter().filter(|(asked, ..)| *asked);
        asked.map(|(_, controller, field, why)| Ignored { controller, field, why }).collect()
    }

    fn ignored_by_v1(&self) -> Vec<(bool, Controller, &'static str, &'static str)> {
        let memory = &self.memory;
        let flat = memory.use_hierarchy == Some(false);
        vec![
            (memory.kernel.is_some(), Controller::Memory, "memory.kernel", KERNEL_MEMORY),
            (flat, Controller::Memory, "memory.useHierarchy", ALWAYS_UPWARDS),
        ]
    }

    fn ignored_by_v2(&self) -> Vec<(bool, Controller, &'static str, &'static str)> {
        use Controller::{Cpu, Io, Memory, NetCls, NetPrio};
        let Self { cpu, memory, io, network, .. } = self;
        let leaf = io.leaf_weight.is_some() || io.devices.iter().any(|it| it.leaf_weight.is_some());
        let real_time = "v2 does not share out real-time scheduling";
        let flat = memory.use_hierarchy == Some(false);
        let kill = memory.disable_oom_killer == Some(true);
        vec![
            (cpu.realtime_runtime_us.is_some(), Cpu, "cpu.realtimeRuntime", real_time),
            (cpu.realtime_period_us.is_some(), Cpu, "cpu.realtimePeriod", real_time),
            (memory.kernel.is_some(), Memory, "memory.kernel", KERNEL_MEMORY),
            (memory.kernel_tcp.is_some(), Memory, "memory.kernelTCP", KERNEL_MEMORY),
            (
                memory.swappiness.is_some(),
                Memory,
                "memory.swappiness",
                "v2 has it for the whole machine only: /proc/sys/vm/swappiness",
            ),
            (kill, Memory, "memory.disableOOMKiller", "v2 always kills; memory.high slows down"),
            (flat, Memory, "memory.useHierarchy", ALWAYS_UPWARDS),
            (leaf, Io, "blockIO.leafWeight", "in v2 only leaves of the tree have processes"),
            (
                network.class_id.is_some(),
                NetCls,
                "network.classID",
                "v2 marks no packets: nftables and BPF match a packet's cgroup by its path",
            ),
            (
                !network.priorities.is_empty(),
                NetPrio,
                "network.priorities",
                "v2 marks no packets: nftables and BPF match a packet's cgroup by its path",
            ),
        ]
    }
}

const KERNEL_MEMORY: &str = "no kernel since 5.16 limits its own memory apart; it counts as memory";
const ALWAYS_UPWARDS: &str = "a group's memory is always charged to the groups above it";
