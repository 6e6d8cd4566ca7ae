//! The control group: what a container may use, and what it has used.
//!
//! `/proc/PID/cgroup` names the group in each tree, one for each controller on v1, one for all on v2
//! (man 7 cgroups). A limit of a group around it counts as well: a pod's, a slice's.

use std::path::PathBuf;

use cgroups::{Bound, Bytes, Controller, FreezeState, Group, Hierarchies, Stat, Version};
use ground::{Result, Table};
use nix::unistd::Pid;
use serde::Serialize;

use super::seen::short;

/// A group in all its trees.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cgroup {
    /// What the machine has: `v1`, `hybrid` or `v2`.
    pub mode: String,
    /// Its directories.
    pub trees: Vec<Tree>,
    /// `running`, `frozen` or `freezing`, if there is a freezer.
    pub state: Option<&'static str>,
    /// Memory, in bytes.
    pub memory: Memory,
    /// Processor time, in microseconds.
    pub cpu: Cpu,
    /// Processes and threads.
    pub pids: Pids,
    /// Block devices, in bytes.
    pub io: Vec<Io>,
    /// Limits of the groups around it.
    pub above: Vec<Above>,
}

/// A directory of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// `v1` or `v2`.
    pub version: &'static str,
    /// The controllers that are bound to it.
    pub controllers: Vec<&'static str>,
    /// The directory.
    pub dir: PathBuf,
}

/// An upper bound: a number, or `"max"` for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Limit {
    /// At most so many.
    At(u64),
    /// No limit.
    Word(&'static str),
}

/// Memory, in bytes; a number that the machine does not count is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Now.
    pub used: Option<u64>,
    /// The most that ever was.
    pub peak: Option<u64>,
    /// The limit.
    pub limit: Option<Limit>,
    /// The limit of swap.
    pub swap_limit: Option<Limit>,
    /// How often the limit was hit.
    pub limit_hits: Option<u64>,
    /// How many processes the kernel killed for want of memory.
    pub oom_kills: Option<u64>,
}

/// Processor time, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// So far.
    pub used_us: Option<u64>,
    /// How much in each period.
    pub quota_us: Option<Limit>,
    /// How long a period is.
    pub period_us: Option<u64>,
    /// How long it had to stand still.
    pub throttled_us: Option<u64>,
    /// Its share beside others: of 1024 on v1, of 100 on v2.
    pub weight: Option<u64>,
    /// The processors that it may use.
    pub cpus: Option<String>,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pids {
    /// Now.
    pub used: Option<u64>,
    /// The limit.
    pub limit: Option<Limit>,
    /// How often a fork was refused.
    pub refused: Option<u64>,
}

/// What went through a block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Io {
    /// Its numbers, `8:0`.
    pub device: String,
    /// `Read`, `Write`, ..
    pub operation: String,
    /// How many bytes.
    pub bytes: u64,
}

/// A limit of a group around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Above {
    /// The group's directory.
    pub dir: PathBuf,
    /// `memory`, `pids` or `cpu quota_us`.
    pub what: &'static str,
    /// The limit.
    pub limit: u64,
}

/// Looks at the group of `pid`.
///
/// # Errors
/// When the process has ended, or no cgroup file system is mounted.
pub fn look(pid: Pid) -> Result<Cgroup> {
    let here = Hierarchies::of_this_process()?;
    let group = Group::of_process(pid)?;
    let account = group.account();
    let Stat { memory, cpu, pids } = account.stat;
    let io = account.io.iter().filter(|it| it.bytes.is_some_and(|bytes| bytes > 0));
    Ok(Cgroup {
        mode: format!("{:?}", here.mode()).to_lowercase(),
        trees: trees(&group),
        state: group.freeze_state().map(|state| match state {
            FreezeState::Thawed => "running",
            FreezeState::Freezing => "freezing",
            FreezeState::Frozen => "frozen",
        }),
        memory: Memory {
            used: memory.current,
            peak: memory.peak,
            limit: memory.limit.map(Limit::from),
            swap_limit: memory.swap_limit.map(Limit::from),
            limit_hits: memory.limit_hits,
            oom_kills: memory.oom_kills,
        },
        cpu: Cpu {
            used_us: cpu.usage_us,
            quota_us: cpu.quota_us.map(Limit::from),
            period_us: cpu.period_us,
            throttled_us: cpu.throttled_us,
            weight: cpu.weight,
            cpus: cpu.cpus,
        },
        pids: Pids {
            used: pids.current,
            limit: pids.limit.map(Limit::from),
            refused: pids.refused,
        },
        io: io
            .map(|it| Io {
                device: format!("{}:{}", it.device.0, it.device.1),
                operation: it.operation.clone(),
                bytes: it.bytes.unwrap_or_default(),
            })
            .collect(),
        above: above(&here, &group),
    })
}

fn trees(group: &Group) -> Vec<Tree> {
    let tree =
        |(dir, version, controllers): (&std::path::Path, Version, &cgroups::Controllers)| Tree {
            version: if version == Version::V1 { "v1" } else { "v2" },
            controllers: controllers.iter().map(|it| it.name(version)).collect(),
            dir: dir.to_owned(),
        };
    group.directories().map(tree).collect()
}

/// One of the limits that groups around it may set.
type Asked = (Controller, &'static str, fn(&Stat) -> Option<Bound>);

const ASKED: [Asked; 3] = [
    (Controller::Memory, "memory", |it| it.memory.limit),
    (Controller::Cpu, "cpu quota_us", |it| it.cpu.quota_us),
    (Controller::Pids, "pids", |it| it.pids.limit),
];

/// The limits of the groups between ours and the root of each tree.
fn above(here: &Hierarchies, group: &Group) -> Vec<Above> {
    let mut found = Vec::new();
    for (controller, what, limit_of) in ASKED {
        let tree = here.of(controller).map(|it| it.mount_point.as_path());
        let (Some(top), Some(dir)) = (tree, group.dir_of(controller)) else { continue };
        for dir in dir.ancestors().skip(1).take_while(|it| it.starts_with(top) && *it != top) {
            let around = dir.strip_prefix(top).ok().and_then(|path| here.group(path));
            if let Some(limit) = around.and_then(|it| limit_of(&it.stat())?.value()) {
                found.push(Above { dir: dir.to_owned(), what, limit });
            }
        }
    }
    found
}

impl From<Bound> for Limit {
    fn from(bound: Bound) -> Self {
        bound.value().map_or(Self::Word("max"), Self::At)
    }
}

impl Cgroup {
    pub(super) fn told(&self) -> (Vec<Table>, Vec<String>) {
        let mut trees = Table::new(["tree", "controllers", "directory"])
            .title(format!("cgroups here are {}", self.mode));
        for it in &self.trees {
            trees.push([it.version.to_owned(), it.controllers.join(" "), short(it.dir.display())]);
        }
        (vec![trees, self.numbers()], self.words())
    }

    fn numbers(&self) -> Table {
        let Self { memory, cpu, pids, .. } = self;
        let mut table = Table::new(["", "used", "limit", "and"]);
        let hits = [
            said(memory.peak.map(Bytes), "at most so far"),
            counted(memory.limit_hits, "times at the limit"),
            counted(memory.oom_kills, "killed for it"),
        ];
        table.push([
            "memory",
            &bytes(memory.used),
            &limited(memory.limit, |it| Bytes(it).to_string()),
            &joined(hits),
        ]);
        let quota = match (cpu.quota_us, cpu.period_us) {
            (Some(Limit::At(quota)), Some(period)) => format!("{quota} of {period} us"),
            (quota, _) => limited(quota, |it| it.to_string()),
        };
        let more = [
            said(cpu.weight, "is its weight"),
            cpu.cpus.as_ref().map(|it| format!("on processors {it}")),
            counted(cpu.throttled_us, "us stood still"),
        ];
        let used = cpu.used_us.map_or_else(dash, |us| format!("{:.2} s", us as f64 / 1e6));
        table.push(["cpu", &used, &quota, &joined(more)]);
        let tasks = pids.used.map_or_else(dash, |it| it.to_string());
        let refused = [counted(pids.refused, "forks refused")];
        table.push(["pids", &tasks, &limited(pids.limit, |it| it.to_string()), &joined(refused)]);
        for it in &self.io {
            let device = format!("device {} {}", it.device, it.operation.to_lowercase());
            table.push([device, Bytes(it.bytes).to_string(), dash(), String::new()]);
        }
        table
    }

    fn words(&self) -> Vec<String> {
        let limit = |it: &Above| {
            format!(
                "the group around it, {}, limits {} to {}",
                short(it.dir.display()),
                it.what,
                it.limit
            )
        };
        let frozen = self.state.filter(|it| *it != "running");
        let frozen = frozen.map(|it| format!("it is {it}: none of its processes gets any time"));
        frozen.into_iter().chain(self.above.iter().map(limit)).collect()
    }
}

fn dash() -> String {
    "-".to_owned()
}

fn bytes(amount: Option<u64>) -> String {
    amount.map_or_else(dash, |it| Bytes(it).to_string())
}

fn limited(limit: Option<Limit>, show: impl FnOnce(u64) -> String) -> String {
    match limit {
        Some(Limit::At(limit)) => show(limit),
        Some(Limit::Word(_)) => "none".to_owned(),
        None => dash(),
    }
}

fn said(value: Option<impl std::fmt::Display>, what: &str) -> Option<String> {
    value.map(|it| format!("{it} {what}"))
}

/// What has happened, if it has.
fn counted(times: Option<u64>, what: &str) -> Option<String> {
    said(times.filter(|it| *it > 0), what)
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
