//! stats: what containers use now, read from their control groups (lab 02) and from /proc.

use std::{fs, time::Instant};

use cgroups::Bound;
use namespaces::{Id, Kind as Namespace};
use nix::unistd::Pid;

use super::{Engine, processes::group_of};
use crate::container::Record;

/// What a container has used up to a moment; a number that nobody counts is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was read.
    pub at: Instant,
    /// CPU time in microseconds.
    pub cpu_us: Option<u64>,
    /// Bytes of memory, without the files that the kernel would give back first.
    pub memory: Option<u64>,
    /// The limit of memory in bytes: its own, or the machine's.
    pub memory_limit: Option<u64>,
    /// Bytes received and sent by its own network interfaces.
    pub network: Option<(u64, u64)>,
    /// Bytes read from and written to block devices.
    pub block: Option<(u64, u64)>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

impl Sample {
    fn nothing() -> Self {
        let at = Instant::now();
        Self {
            at,
            cpu_us: None,
            memory: None,
            memory_limit: None,
            network: None,
            block: None,
            pids: None,
        }
    }

    /// How much of one processor was used since an earlier sample, in percent.
    pub fn cpu_percent(&self, before: &Self) -> Option<f64> {
        let used = self.cpu_us?.saturating_sub(before.cpu_us?);
        let passed = self.at.duration_since(before.at).as_micros();
        (passed > 0).then(|| used as f64 / passed as f64 * 100.0)
    }

    /// How much of its limit of memory is used, in percent.
    pub fn memory_percent(&self) -> Option<f64> {
        let limit = self.memory_limit.filter(|limit| *limit > 0)?;
        Some(self.memory? as f64 / limit as f64 * 100.0)
    }
}

impl Engine {
    /// What the container has used up to now; nothing is known of one that does not run.
    pub fn sample(&self, record: &Record) -> Sample {
        let Some(pid) = record.state.pid.filter(|_| record.state.status.is_up()) else {
            return Sample::nothing();
        };
        let network = own_network(pid).then(|| interfaces(pid)).flatten();
        let Some(group) = group_of(record) else {
            let pids = self.processes(record).ok().map(|pids| pids.len() as u64);
            return Sample { network, pids, ..Sample::nothing() };
        };
        let account = group.account();
        let stat = account.stat;
        let idle = ["total_inactive_file", "inactive_file"];
        let idle = idle.iter().find_map(|name| account.memory_stat.get(*name)).copied();
        let operation = |wanted: &str| -> u64 {
            let counts = account.io.iter().filter(|it| it.operation == wanted);
            counts.filter_map(|it| it.bytes).sum()
        };
        Sample {
            at: Instant::now(),
            cpu_us: stat.cpu.usage_us,
            memory: stat.memory.current.map(|it| it.saturating_sub(idle.unwrap_or(0))),
            memory_limit: match stat.memory.limit {
                Some(Bound::At(limit)) => Some(limit),
                _ => machine_memory(),
            },
            network,
            block: Some((operation("Read"), operation("Write"))),
            pids: stat.pids.current.or_else(|| Some(group.procs().len() as u64)),
        }
    }
}

/// The host's interfaces are not the container's.
fn own_network(pid: i32) -> bool {
    let theirs = Id::of(Pid::from_raw(pid), Namespace::Net).ok();
    theirs.is_some() && theirs != Id::own(Namespace::Net).ok()
}

/// Bytes in and out of all interfaces but the loopback one (proc_pid_net(5), `dev`).
fn interfaces(pid: i32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    let mut sum = (0, 0);
    for line in text.lines() {
        let Some((name, counts)) = line.split_once(':') else { continue };
        let counts: Vec<u64> = counts.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        if let (false, Some(received), Some(sent)) =
            (name.trim() == "lo", counts.first(), counts.get(8))
        {
            sum = (sum.0 + received, sum.1 + sent);
        }
    }
    Some(sum)
}

/// All memory of the machine in bytes (proc_meminfo(5)).
pub(super) fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn percents_are_of_one_processor_and_of_the_limit() {
        let before = Sample { cpu_us: Some(1_000_000), ..Sample::nothing() };
        let after = Sample {
            at: before.at + Duration::from_secs(1),
            cpu_us: Some(2_500_000),
            memory: Some(50),
            memory_limit: Some(200),
            ..before.clone()
        };
        assert_eq!(after.cpu_percent(&before), Some(150.0));
        assert_eq!(after.memory_percent(), Some(25.0));
        assert_eq!(Sample::nothing().cpu_percent(&before), None);
    }
}
