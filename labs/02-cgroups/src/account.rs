//! Accounting: what a group has used, in the same words for both versions.
//!
//! A group counts whether it limits or not. [`Group::stat`] is the quick look (a dozen small
//! files), [`Group::account`] everything there is, as `runc events --stats` wants it. A number that
//! this machine or this kernel does not give is `None` or missing, never 0.
//!
//! Source: the kernel's admin-guide/cgroup-v2.rst; cgroup-v1/{cpuacct,memory,blkio-controller,
//! hugetlb,rdma}.rst; accounting/psi.rst.

mod io;
mod pressure;
mod stat;

use std::{collections::BTreeMap, fs};

use crate::{Bound, Controller, Group, Rdma, Version};

pub use io::IoCount;
pub use pressure::{Pressure, Stalled};
pub use stat::{CpuStat, MemoryStat, PidsStat, Stat};

/// Everything that the kernel counts of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// CPU time, throttling, memory, tasks.
    pub stat: Stat,
    /// CPU time on each CPU, in order; v1 only.
    pub per_cpu: Vec<PerCpu>,
    /// `memory.stat`, as it is: the names differ between the versions.
    pub memory_stat: BTreeMap<String, u64>,
    /// Memory and swap together, as the limit of the runtime specification counts.
    pub memory_and_swap: Usage,
    /// The kernel's own memory; v1 only, v2 has it as `kernel` in `memory.stat`.
    pub kernel: Usage,
    /// The part of it that is TCP buffers; v1 only.
    pub kernel_tcp: Usage,
    /// Block devices, by device and operation.
    pub io: Vec<IoCount>,
    /// Huge pages in bytes, by size as the kernel spells it: `2MB`.
    pub hugetlb: BTreeMap<String, Usage>,
    /// RDMA resources in use, by device.
    pub rdma: BTreeMap<String, Rdma>,
    /// Time lost for want of CPU; v2 only, and where the kernel measures it, as the next two.
    pub cpu_pressure: Option<Pressure>,
    /// Time lost for want of memory.
    pub memory_pressure: Option<Pressure>,
    /// Time lost for want of block devices.
    pub io_pressure: Option<Pressure>,
}

/// CPU time on one CPU, in nanoseconds.
///
/// The kernel divides it by what it meets at each tick of its clock: the parts need not add up to
/// the exact [`CpuStat::usage_us`], and are 0 for a short run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerCpu {
    /// In user space.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
}

/// An amount with its limit, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Now.
    pub current: Option<u64>,
    /// The most that ever was.
    pub peak: Option<u64>,
    /// The limit.
    pub limit: Option<Bound>,
    /// How often the limit was hit.
    pub limit_hits: Option<u64>,
}

impl Group {
    /// Everything that the kernel counts of the group.
    pub fn account(&self) -> Account {
        let stat = self.stat();
        Account {
            per_cpu: self.per_cpu(),
            memory_stat: pairs(&self.read(Controller::Memory, "memory.stat").unwrap_or_default()),
            memory_and_swap: self.memory_and_swap(&stat.memory),
            kernel: self.usage_v1("memory.kmem"),
            kernel_tcp: self.usage_v1("memory.kmem.tcp"),
            io: self.io_counts(),
            hugetlb: self.hugetlb(),
            rdma: self.rdma(),
            cpu_pressure: self.pressure("cpu.pressure"),
            memory_pressure: self.pressure("memory.pressure"),
            io_pressure: self.pressure("io.pressure"),
            stat,
        }
    }

    /// `cpuacct.usage_all`: a heading, then "CPU USER SYSTEM" in nanoseconds.
    fn per_cpu(&self) -> Vec<PerCpu> {
        let text = self.read(Controller::Cpuacct, "cpuacct.usage_all").unwrap_or_default();
        let line = |line: &str| {
            let numbers: Option<Vec<u64>> = line.split(' ').map(|it| it.parse().ok()).collect();
            match numbers?.as_slice() {
                [_, user_ns, system_ns] => {
                    Some(PerCpu { user_ns: *user_ns, system_ns: *system_ns })
                }
                _ => None,
            }
        };
        text.lines().filter_map(line).collect()
    }

    fn memory_and_swap(&self, memory: &MemoryStat) -> Usage {
        if self.part_of(Controller::Memory).is_some_and(|it| it.version == Version::V1) {
            return self.usage_v1("memory.memsw");
        }
        let swap = self.read(Controller::Memory, "memory.swap.current");
        let events = self.read(Controller::Memory, "memory.swap.events").unwrap_or_default();
        let limit = match (memory.limit, memory.swap_limit) {
            (Some(Bound::At(memory)), Some(Bound::At(swap))) => Some(Bound::At(memory + swap)),
            (Some(_), Some(_)) => Some(Bound::Unlimited),
            _ => None,
        };
        let current = swap.and_then(|it| Some(number(&it)? + memory.current?));
        Usage { current, peak: None, limit, limit_hits: key(&events, "max") }
    }

    fn hugetlb(&self) -> BTreeMap<String, Usage> {
        let Some(part) = self.part_of(Controller::Hugetlb) else { return BTreeMap::new() };
        let end = if part.version == Version::V1 { ".usage_in_bytes" } else { ".current" };
        let entries = fs::read_dir(&part.dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|it| it.file_name().into_string().ok());
        let size = |name: String| {
            let size = name.strip_prefix("hugetlb.")?.strip_suffix(end)?;
            (!size.contains('.')).then(|| size.to_owned())
        };
        names.filter_map(size).map(|size| (size.clone(), self.huge_pages(&size))).collect()
    }

    fn huge_pages(&self, size: &str) -> Usage {
        let stem = format!("hugetlb.{size}");
        if self.part_of(Controller::Hugetlb).is_some_and(|it| it.version == Version::V1) {
            return self.usage_in(Controller::Hugetlb, &stem);
        }
        let file = |end| self.read(Controller::Hugetlb, &format!("{stem}.{end}"));
        Usage {
            current: file("current").and_then(|it| number(&it)),
            peak: None,
            limit: file("max").and_then(|it| it.trim().parse().ok()),
            limit_hits: file("events").and_then(|it| key(&it, "max")),
        }
    }

    /// `rdma.current`: "DEVICE hca_handle=N hca_object=N".
    fn rdma(&self) -> BTreeMap<String, Rdma> {
        let text = self.read(Controller::Rdma, "rdma.current").unwrap_or_default();
        let device = |line: &str| {
            let (device, counts) = line.split_once(' ')?;
            let count = |name: &str| {
                let value =
                    counts.split(' ').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
                value.and_then(|it| it.parse().ok())
            };
            let used = Rdma { hca_handles: count("hca_handle"), hca_objects: count("hca_object") };
            Some((device.to_owned(), used))
        };
        text.lines().filter_map(device).collect()
    }

    /// The four files of a counter of v1's memory controller.
    fn usage_v1(&self, stem: &str) -> Usage {
        self.usage_in(Controller::Memory, stem)
    }

    fn usage_in(&self, controller: Controller, stem: &str) -> Usage {
        let file = |end| self.read(controller, &format!("{stem}.{end}")).and_then(|it| number(&it));
        Usage {
            current: file("usage_in_bytes"),
            peak: file("max_usage_in_bytes"),
            limit: file("limit_in_bytes").map(unlimited_v1),
            limit_hits: file("failcnt"),
        }
    }

    fn pressure(&self, file: &str) -> Option<Pressure> {
        fs::read_to_string(self.v2()?.dir.join(file)).ok().map(|it| Pressure::parse(&it))
    }

    fn read(&self, controller: Controller, file: &str) -> Option<String> {
        fs::read_to_string(self.dir_of(controller)?.join(file)).ok()
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The value of `name` in lines of "name value".
fn key(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

/// All of those lines.
fn pairs(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), number(value)?))
    };
    text.lines().filter_map(pair).collect()
}

/// v1 says "no limit" as the largest number of whole pages that a signed 64-bit counter holds.
fn unlimited_v1(bytes: u64) -> Bound {
    if bytes >= i64::MAX as u64 - 0xffff { Bound::Unlimited } else { Bound::At(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_its_longer_neighbour() {
        assert_eq!(key("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"), Some(3));
        assert_eq!(key("max 7\n", "oom"), None);
    }

    #[test]
    fn the_largest_number_of_v1_is_no_limit() {
        assert_eq!(unlimited_v1(9_223_372_036_854_771_712), Bound::Unlimited);
        assert_eq!(unlimited_v1(67_108_864), Bound::At(67_108_864));
    }
}
