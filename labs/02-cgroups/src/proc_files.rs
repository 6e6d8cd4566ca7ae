//! The repaired /proc files: what `free` and `top` should have been told.
//!
//! /proc/meminfo and its siblings are the machine's, whatever group reads them. So a runtime
//! writes files of its own and binds them over: each is made here from the host's real text and
//! the group's limits. A snapshot, unlike LXCFS, which answers each read anew; and tools that ask
//! the kernel by system call never see it (sysinfo(2): busybox `free`; sched_getaffinity(2):
//! `nproc`, which a cpuset moves). Formats: man 5 proc_meminfo, proc_cpuinfo, proc_stat,
//! proc_uptime, proc_loadavg.

use std::{fmt::Write as _, time::Duration};

use crate::{Bound, CpuList, Cpus, Stat};

/// The files that can be repaired, in the order of [`repaired`].
pub const FILES: [&str; 6] = [
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/sys/devices/system/cpu/online",
];

/// What a group may use, as far as these files tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// How many CPUs to show; more than the host has shows the host's.
    pub cpus: usize,
    /// Bytes of memory; `None` shows the host's.
    pub memory: Option<u64>,
    /// Bytes of swap beside it; `None` shows the host's.
    pub swap: Option<u64>,
    /// Bytes of memory in use.
    pub memory_used: u64,
    /// Bytes of it that hold files.
    pub memory_file: u64,
    /// Tasks in the group.
    pub tasks: u64,
    /// How long the group has been running.
    pub age: Duration,
}

impl Allowance {
    /// What a group with this accounting is allowed, being placed on `placed` CPUs and having run
    /// for `age`. A quota of 0.2 CPUs shows one CPU: there is no smaller one.
    pub fn of(stat: &Stat, placed: usize, age: Duration) -> Self {
        let period = stat.cpu.period_us.unwrap_or(Cpus::PERIOD_US).max(1);
        let quota = stat.cpu.quota_us.and_then(Bound::value);
        let whole = quota.and_then(|it| usize::try_from(it.div_ceil(period)).ok());
        Self {
            cpus: placed.min(whole.unwrap_or(usize::MAX)).max(1),
            memory: stat.memory.limit.and_then(Bound::value),
            swap: stat.memory.swap_limit.and_then(Bound::value),
            memory_used: stat.memory.current.unwrap_or_default(),
            memory_file: stat.memory.file.unwrap_or_default(),
            tasks: stat.pids.current.unwrap_or(1).max(1),
            age,
        }
    }
}

/// The repaired text of `file`, one of [`FILES`], from the host's. Other files stay as they are.
pub fn repaired(file: &str, host: &str, allowance: &Allowance) -> String {
    match file {
        "/proc/meminfo" => meminfo(host, allowance),
        "/proc/cpuinfo" => cpuinfo(host, allowance.cpus),
        "/proc/stat" => stat(host, allowance.cpus),
        "/proc/uptime" => uptime(allowance),
        "/proc/loadavg" => loadavg(host, allowance.tasks),
        "/sys/devices/system/cpu/online" => online(host, allowance.cpus),
        _ => host.to_owned(),
    }
}

/// Every amount that the group does not account for becomes 0 rather than staying the host's.
fn meminfo(host: &str, allowance: &Allowance) -> String {
    let host_kib = |name| {
        let line = host.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0_u64)
    };
    let Some(limit) = allowance.memory.map(|it| it / 1024).filter(|it| *it < host_kib("MemTotal"))
    else {
        return host.to_owned();
    };
    let swap = allowance.swap.map_or(host_kib("SwapTotal"), |it| it / 1024);
    let swap = swap.min(host_kib("SwapTotal"));
    let free = limit.saturating_sub(allowance.memory_used / 1024);
    let file = (allowance.memory_file / 1024).min(limit - free);
    let known = |name| match name {
        "MemTotal" => limit,
        "MemFree" => free,
        "MemAvailable" => free + file,
        "Cached" => file,
        "SwapTotal" | "SwapFree" => swap,
        _ => 0,
    };
    let mut text = String::new();
    for line in host.lines() {
        match line.split_once(':').filter(|_| line.ends_with(" kB")) {
            Some((name, value)) => {
                // The same width: some readers cut columns.
                let width = value.len().saturating_sub(" kB".len());
                let _ = writeln!(text, "{name}:{:>width$} kB", known(name));
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// The first `cpus` blocks; a container's CPUs are numbered from 0.
fn cpuinfo(host: &str, cpus: usize) -> String {
    let blocks = host.trim_end().split("\n\n");
    let is_cpu = |block: &&str| block.starts_with("processor");
    let (kept, rest): (Vec<&str>, Vec<&str>) = blocks.partition(is_cpu);
    let kept: Vec<&str> = kept.into_iter().take(cpus.max(1)).chain(rest).collect();
    kept.join("\n\n") + "\n\n"
}

/// The first line is the sum of the CPUs, so it is summed up again; the rest is not per CPU.
fn stat(host: &str, cpus: usize) -> String {
    let is_cpu = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    let shown: Vec<&str> = host.lines().filter(is_cpu).take(cpus.max(1)).collect();
    let columns = |line: &str| -> Vec<u64> {
        line.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect()
    };
    let sum = shown
        .iter()
        .map(|it| columns(it))
        .reduce(|sum, next| sum.iter().zip(next).map(|(one, other)| one + other).collect());
    let sum: Vec<String> = sum.unwrap_or_default().iter().map(u64::to_string).collect();
    let mut text = format!("cpu  {}\n", sum.join(" "));
    let rest = host.lines().filter(|it| !it.starts_with("cpu"));
    for line in shown.into_iter().chain(rest) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Seconds up and seconds idle; the group's idle time is unknown, and 0 keeps readers from
/// computing with the host's.
fn uptime(allowance: &Allowance) -> String {
    format!("{:.2} 0.00\n", allowance.age.as_secs_f64())
}

/// The averages are the machine's run queue, which says nothing of the group: 0.00; then
/// runnable/all tasks and the last process id.
fn loadavg(host: &str, tasks: u64) -> String {
    let last_pid = host.split_whitespace().nth(4).unwrap_or("0");
    format!("0.00 0.00 0.00 1/{tasks} {last_pid}\n")
}

fn online(host: &str, cpus: usize) -> String {
    let shown = host.parse::<CpuList>().map(|it| it.0.len()).unwrap_or(cpus).min(cpus.max(1));
    format!("{}\n", CpuList((0..shown).collect()))
}
