//! Limits to writes: which file gets which text, in which order, for either version.
//!
//! | limit | v1 | v2 |
//! |---|---|---|
//! | quota, period | `cpu.cfs_quota_us`, `cpu.cfs_period_us` | `cpu.max` = "QUOTA PERIOD" |
//! | shares | `cpu.shares` | `cpu.weight`, converted |
//! | memory | `memory.limit_in_bytes` | `memory.max` |
//! | memory + swap | `memory.memsw.limit_in_bytes`, the sum | `memory.swap.max`, the difference |
//! | tasks | `pids.max` | `pids.max` |

use std::path::Path;

use ground::{Error, Explanation, Result};

use crate::{
    Bound, Controller, Cpu, DeviceLimit, Limits, Memory, Version, advice, limits::controller_of,
};

/// One file to be written in a group's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The controller, and so the tree, that the file belongs to.
    pub controller: Controller,
    /// The file's name.
    pub file: String,
    /// What is written: one write(2), because the kernel parses each write by itself.
    pub value: String,
}

impl Write {
    fn new(controller: Controller, file: impl Into<String>, value: impl ToString) -> Self {
        Self { controller, file: file.into(), value: value.to_string() }
    }

    /// The write in words, for a group at `dir`.
    pub fn explain(&self, dir: &Path) -> Explanation {
        let Self { file, value, .. } = self;
        let call = format!("write(\"{}\", \"{value}\")", dir.join(file).display());
        Explanation::new(call, advice::meaning(file), advice::manual(file))
    }
}

impl Limits {
    // ANCHOR: writes
    /// Every write that these limits need in trees of `version`, in order. Writing them into a
    /// fresh group works as it stands; [`Group::apply`](crate::Group::apply) turns the order of
    /// memory and swap round where a v1 group's limits are being raised.
    ///
    /// # Errors
    /// A combination that has no meaning: less memory+swap than memory, a swap limit alone in v2,
    /// a weight in v1, `unified` in v1.
    pub fn writes(&self, version: Version) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        for (file, list) in [("cpuset.cpus", &self.cpuset.cpus), ("cpuset.mems", &self.cpuset.mems)]
        {
            writes.extend(list.iter().map(|it| Write::new(Controller::Cpuset, file, it)));
        }
        match version {
            Version::V1 => {
                writes.extend(cpu_v1(&self.cpu)?);
                writes.extend(memory_v1(&self.memory)?);
            }
            Version::V2 => {
                writes.extend(cpu_v2(&self.cpu));
                writes.extend(memory_v2(&self.memory)?);
            }
        }
        let pids = self.pids.map(|it| Write::new(Controller::Pids, "pids.max", it));
        writes.extend(pids);
        writes.extend(self.io.iter().flat_map(|it| io(it, version)));
        for huge in &self.hugetlb {
            let end = if version == Version::V1 { "limit_in_bytes" } else { "max" };
            let file = format!("hugetlb.{}.{end}", huge.page_size);
            writes.push(Write::new(Controller::Hugetlb, file, huge.limit));
        }
        writes.extend(unified(self, version)?);
        Ok(writes)
    }
    // ANCHOR_END: writes
}

fn cpu_v1(cpu: &Cpu) -> Result<Vec<Write>> {
    if cpu.weight.is_some() && cpu.shares.is_none() {
        return Err(invalid("a CPU weight is a word of cgroup v2, this group is v1")
            .fix("give shares (2 to 262144, 1024 by default) instead of a weight"));
    }
    // The period before the quota: the kernel compares each write with what it then has.
    let files = [
        ("cpu.cfs_period_us", cpu.period_us.map(|it| it.to_string())),
        ("cpu.cfs_quota_us", cpu.quota_us.map(|it| it.written(Version::V1))),
        ("cpu.cfs_burst_us", cpu.burst_us.map(|it| it.to_string())),
        ("cpu.shares", cpu.shares.map(|it| it.to_string())),
        ("cpu.idle", cpu.idle.map(|it| it.to_string())),
    ];
    Ok(present(Controller::Cpu, files))
}

fn cpu_v2(cpu: &Cpu) -> Vec<Write> {
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

/// v1 keeps limit <= memsw at every moment. A fresh group has neither, so the smaller comes first.
fn memory_v1(memory: &Memory) -> Result<Vec<Write>> {
    swap_alone(memory)?;
    let written = |it: Option<Bound>| it.map(|it| it.written(Version::V1));
    let files = [
        ("memory.limit_in_bytes", written(memory.limit)),
        ("memory.memsw.limit_in_bytes", written(memory.swap)),
        ("memory.soft_limit_in_bytes", written(memory.reservation)),
    ];
    Ok(present(Controller::Memory, files))
}

fn memory_v2(memory: &Memory) -> Result<Vec<Write>> {
    let written = |it: Option<Bound>| it.map(|it| it.written(Version::V2));
    let files = [
        ("memory.max", written(memory.limit)),
        ("memory.swap.max", written(swap_alone(memory)?)),
        ("memory.low", written(memory.reservation)),
    ];
    Ok(present(Controller::Memory, files))
}

/// v2 limits swap by itself, the specification limits the sum: the difference is what is left.
fn swap_alone(memory: &Memory) -> Result<Option<Bound>> {
    match (memory.swap, memory.limit) {
        (None, _) => Ok(None),
        (Some(Bound::Unlimited), _) => Ok(Some(Bound::Unlimited)),
        (Some(Bound::At(sum)), Some(Bound::At(limit))) if sum >= limit => {
            Ok(Some(Bound::At(sum - limit)))
        }
        (Some(Bound::At(sum)), Some(Bound::At(limit))) => Err(invalid(&format!(
            "{sum} bytes of memory and swap together are less than {limit} bytes of memory"
        ))
        .fix("memory-swap is the sum: give at least the memory limit, or -1 for no limit")),
        (Some(Bound::At(_)), _) => {
            Err(invalid("a limit on memory and swap together needs a limit on memory")
                .fix("give --memory too"))
        }
    }
}

fn io(limit: &DeviceLimit, version: Version) -> Vec<Write> {
    let DeviceLimit { device: (major, minor), rbps, wbps, riops, wiops } = limit;
    let rates = [
        ("blkio.throttle.read_bps_device", "rbps", rbps),
        ("blkio.throttle.write_bps_device", "wbps", wbps),
        ("blkio.throttle.read_iops_device", "riops", riops),
        ("blkio.throttle.write_iops_device", "wiops", wiops),
    ];
    let given = rates.into_iter().filter_map(|(file, key, rate)| Some((file, key, (*rate)?)));
    match version {
        Version::V1 => given
            .map(|(file, _, rate)| {
                Write::new(Controller::Io, file, format!("{major}:{minor} {rate}"))
            })
            .collect(),
        Version::V2 => {
            let rates: String = given.map(|(_, key, rate)| format!(" {key}={rate}")).collect();
            vec![Write::new(Controller::Io, "io.max", format!("{major}:{minor}{rates}"))]
        }
    }
}

fn unified(limits: &Limits, version: Version) -> Result<Vec<Write>> {
    let write = |(file, value): (&String, &String)| {
        let controller = match controller_of(file) {
            Some(controller) if !file.contains('/') => controller,
            _ if file.starts_with("cgroup.") && !file.contains('/') => Controller::Freezer,
            _ => return Err(invalid(&format!("'{file}' is not the name of a cgroup v2 file"))),
        };
        Ok(Write::new(controller, file, value))
    };
    if version == Version::V1 && !limits.unified.is_empty() {
        return Err(invalid("`unified` names files of cgroup v2, this machine has v1")
            .fix("use the fields of their own: memory.limit, cpu.quota, .."));
    }
    limits.unified.iter().map(write).collect()
}

fn present<const N: usize>(
    controller: Controller,
    files: [(&'static str, Option<String>); N],
) -> Vec<Write> {
    let given = files.into_iter().filter_map(|(file, value)| Some((file, value?)));
    given.map(|(file, value)| Write::new(controller, file, value)).collect()
}

fn invalid(why: &str) -> Error {
    Error::new("these limits make no sense").why(why).see("7 cgroups")
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
