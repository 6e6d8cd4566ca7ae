//! A quick look: what a group has used, in one struct for both versions.
//!
//! Read from `cpu.stat` and `cpuacct.*`, `memory.*`, `pids.*`; a number that this machine or this
//! kernel does not give is `None`, never 0 (admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst).

use super::{key, number, unlimited_v1};
use crate::{Bound, Controller, Group, Version};

/// What a group has used, and may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// CPU time.
    pub cpu: CpuStat,
    /// Memory.
    pub memory: MemoryStat,
    /// Tasks.
    pub pids: PidsStat,
}

/// CPU time, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// Used, in total.
    pub usage_us: Option<u64>,
    /// Of it in user space.
    pub user_us: Option<u64>,
    /// Of it in the kernel.
    pub system_us: Option<u64>,
    /// Periods in which the group wanted to run.
    pub periods: Option<u64>,
    /// Of them those in which it ran out of quota.
    pub throttled_periods: Option<u64>,
    /// Time its run queues stood still, summed over the CPUs.
    pub throttled_us: Option<u64>,
    /// The quota in each period.
    pub quota_us: Option<Bound>,
    /// The period.
    pub period_us: Option<u64>,
    /// Its share where processors are wanted by several: v1's `cpu.shares` (1024 is usual), v2's
    /// `cpu.weight` (100 is usual).
    pub weight: Option<u64>,
    /// The processors that it may use, as `0-3,7`.
    pub cpus: Option<String>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStat {
    /// In use now, page cache and kernel memory included.
    pub current: Option<u64>,
    /// The most that ever was in use (v2: Linux 5.19).
    pub peak: Option<u64>,
    /// The limit.
    pub limit: Option<Bound>,
    /// The limit on swap alone.
    pub swap_limit: Option<Bound>,
    /// Memory of files, within `current`: what could be given back.
    pub file: Option<u64>,
    /// What the kernel keeps about its processes, within `current`: stacks, page tables, namespaces.
    pub kernel: Option<u64>,
    /// How often the limit was hit.
    pub limit_hits: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
}

/// Tasks: processes and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PidsStat {
    /// Now.
    pub current: Option<u64>,
    /// The limit.
    pub limit: Option<Bound>,
    /// How often fork(2) was refused with EAGAIN.
    pub refused: Option<u64>,
}

impl Group {
    /// What the group has used so far.
    pub fn stat(&self) -> Stat {
        Stat { cpu: self.cpu_stat(), memory: self.memory_stat(), pids: self.pids_stat() }
    }

    fn cpu_stat(&self) -> CpuStat {
        let file = |name| self.read(Controller::Cpu, name);
        let acct = |name| self.read(Controller::Cpuacct, name);
        let part = self.part_of(Controller::Cpuacct).or_else(|| self.part_of(Controller::Cpu));
        let v1 = part.is_some_and(|it| it.version == Version::V1);
        let stat = file("cpu.stat").or_else(|| acct("cpu.stat")).unwrap_or_default();
        let weight = if v1 { "cpu.shares" } else { "cpu.weight" };
        let weight = file(weight).and_then(|it| number(&it));
        let cpus = self.cpus();
        if v1 {
            let us = |name| number(&acct(name)?).map(|ns| ns / 1000);
            return CpuStat {
                usage_us: us("cpuacct.usage"),
                user_us: us("cpuacct.usage_user"),
                system_us: us("cpuacct.usage_sys"),
                quota_us: file("cpu.cfs_quota_us").and_then(|it| it.trim().parse().ok()),
                period_us: file("cpu.cfs_period_us").and_then(|it| number(&it)),
                weight,
                cpus,
                ..throttling(&stat)
            };
        }
        let max = file("cpu.max").unwrap_or_default();
        let (quota, period) = max.trim().split_once(' ').unwrap_or_default();
        CpuStat {
            usage_us: key(&stat, "usage_usec"),
            user_us: key(&stat, "user_usec"),
            system_us: key(&stat, "system_usec"),
            quota_us: quota.parse().ok(),
            period_us: period.parse().ok(),
            weight,
            cpus,
            ..throttling(&stat)
        }
    }

    /// What is left of the wish after the groups above had theirs; v1 has it by another name.
    fn cpus(&self) -> Option<String> {
        let file = |name| self.read(Controller::Cpuset, name).map(|it| it.trim().to_owned());
        let effective = file("cpuset.cpus.effective").or_else(|| file("cpuset.effective_cpus"));
        effective.filter(|it| !it.is_empty())
    }

    fn memory_stat(&self) -> MemoryStat {
        let file = |name| self.read(Controller::Memory, name);
        let amount = |name| file(name).and_then(|it| number(&it));
        let in_file = |name, wanted| file(name).and_then(|text| key(&text, wanted));
        let Some(part) = self.part_of(Controller::Memory) else { return MemoryStat::default() };
        match part.version {
            Version::V1 => MemoryStat {
                current: amount("memory.usage_in_bytes"),
                peak: amount("memory.max_usage_in_bytes"),
                limit: amount("memory.limit_in_bytes").map(unlimited_v1),
                swap_limit: swap_alone(
                    amount("memory.memsw.limit_in_bytes"),
                    amount("memory.limit_in_bytes"),
                ),
                file: in_file("memory.stat", "total_cache"),
                kernel: amount("memory.kmem.usage_in_bytes"),
                limit_hits: amount("memory.failcnt"),
                oom_kills: in_file("memory.oom_control", "oom_kill"),
            },
            Version::V2 => MemoryStat {
                current: amount("memory.current"),
                peak: amount("memory.peak"),
                limit: file("memory.max").and_then(|it| it.trim().parse().ok()),
                swap_limit: file("memory.swap.max").and_then(|it| it.trim().parse().ok()),
                file: in_file("memory.stat", "file"),
                kernel: in_file("memory.stat", "kernel"),
                limit_hits: in_file("memory.events", "max"),
                oom_kills: in_file("memory.events", "oom_kill"),
            },
        }
    }

    fn pids_stat(&self) -> PidsStat {
        let file = |name| self.read(Controller::Pids, name);
        PidsStat {
            current: file("pids.current").and_then(|it| number(&it)),
            limit: file("pids.max").and_then(|it| it.trim().parse().ok()),
            refused: file("pids.events").and_then(|it| key(&it, "max")),
        }
    }
}

/// The part of `cpu.stat` that both versions have; v1 counts nanoseconds.
fn throttling(stat: &str) -> CpuStat {
    let throttled_ns = key(stat, "throttled_time").map(|it| it / 1000);
    CpuStat {
        periods: key(stat, "nr_periods"),
        throttled_periods: key(stat, "nr_throttled"),
        throttled_us: key(stat, "throttled_usec").or(throttled_ns),
        ..CpuStat::default()
    }
}

/// v1 limits the sum of memory and swap.
fn swap_alone(sum: Option<u64>, memory: Option<u64>) -> Option<Bound> {
    Some(match unlimited_v1(sum?) {
        Bound::At(sum) => Bound::At(sum.saturating_sub(memory?)),
        Bound::Unlimited => Bound::Unlimited,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_cpu_stat_give_the_same() {
        let v1 = throttling("nr_periods 51\nnr_throttled 50\nthrottled_time 4071000000\n");
        let v2 =
            throttling("usage_usec 1\nnr_periods 51\nnr_throttled 50\nthrottled_usec 4071000\n");
        assert_eq!(v1, v2);
        assert_eq!(v2.throttled_us, Some(4_071_000));
    }
}
