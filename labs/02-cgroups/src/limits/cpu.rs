//! CPU time on disk: a quota in each period, and a share of what is contended.
//!
//! Source: the kernel's scheduler/sched-bwc.rst; admin-guide/cgroup-v2.rst, "CPU".

use ground::Result;

use super::{
    Bound, Cpu, Write,
    write::{invalid, present},
};
use crate::{Controller, Version};

pub(super) fn v1(cpu: &Cpu) -> Result<Vec<Write>> {
    if cpu.weight.is_some() && cpu.shares.is_none() {
        return Err(invalid("a CPU weight is a word of cgroup v2, this group is v1")
            .fix("give shares (2 to 262144, 1024 by default) instead of a weight"));
    }
    let text = |it: Option<u64>| it.map(|it| it.to_string());
    // The period before the quota: the kernel compares each write with what it then has. Real-time
    // runtime before anybody joins: a process that is scheduled so could not.
    let files = [
        ("cpu.rt_period_us", text(cpu.realtime_period_us)),
        ("cpu.rt_runtime_us", cpu.realtime_runtime_us.map(|it| it.to_string())),
        ("cpu.cfs_period_us", text(cpu.period_us)),
        ("cpu.cfs_quota_us", cpu.quota_us.map(|it| it.written(Version::V1))),
        ("cpu.cfs_burst_us", text(cpu.burst_us)),
        ("cpu.shares", text(cpu.shares)),
        ("cpu.idle", cpu.idle.map(|it| it.to_string())),
    ];
    Ok(present(Controller::Cpu, files))
}

pub(super) fn v2(cpu: &Cpu) -> Vec<Write> {
    let max = match (cpu.quota_us, cpu.period_us) {
        (None, None) => None,
        // `cpu.max` with one number leaves the period; without a quota there is no ceiling.
        (Some(quota), None) => Some(quota.written(Version::V2)),
        (quota, Some(period)) => {
            Some(format!("{} {period}", quota.unwrap_or(Bound::Unlimited).written(Version::V2)))
        }
    };
    let weight = cpu.weight.or(cpu.shares.filter(|it| *it > 0).map(shares_to_weight));
    let files = [
        ("cpu.max", max),
        ("cpu.max.burst", cpu.burst_us.map(|it| it.to_string())),
        ("cpu.weight", weight.map(|it| it.to_string())),
        ("cpu.idle", cpu.idle.map(|it| it.to_string())),
    ];
    present(Controller::Cpu, files)
}

/// v1's `cpu.shares` (2 to 262144) on v2's scale (1 to 10000), so that both ends and the default
/// (1024 and 100) fall on each other: a parabola through three points in the logarithms.
///
/// Source: runc from 1.3.2 (opencontainers/runc#4785) and crun from 1.23 (containers/crun#1767);
/// before that they drew a line through the ends, which made the default 39.
pub fn shares_to_weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            10_f64.powf(exponent).ceil() as u64
        }
    }
}
