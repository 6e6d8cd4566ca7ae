//! Scheduling: when the program runs, on which CPUs, and how soon its I/O is served.
//!
//! | field | call |
//! |---|---|
//! | `process.scheduler` | sched_setattr(2) |
//! | `process.ioPriority` | ioprio_set(2) |
//! | `process.execCPUAffinity` | sched_setaffinity(2), for `exec` only |
//!
//! All of it survives exec(2). It is set while the process has the caller's capabilities, because
//! most of it takes CAP_SYS_NICE.
//!
//! Source: runtime specification, config.md, "Linux Process"; man 7 sched.

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use oci::runtime::{IoPriority, Process, Scheduler};

use super::{Steps, list};
use crate::sys::{self, SchedAttr};

type Done = std::result::Result<(), Errno>;

/// The policies of linux/sched.h. SCHED_ISO has a number and no scheduler behind it.
const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];

const FLAGS: [(&str, u64); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

/// # Errors
/// A word that is none, or a number that does not go with the policy.
pub(super) fn steps(process: &Process, steps: &mut Steps) -> Result<()> {
    if let Some(scheduler) = &process.scheduler {
        steps.add("mini-runc", SetScheduler::new(scheduler)?);
    }
    if let Some(priority) = &process.io_priority {
        steps.add("mini-runc", SetIoPriority::new(priority)?);
    }
    Ok(())
}

/// Sets our own CPUs to those that a process which joins a container begins on: the kernel judges
/// by them where it may be placed in the group's cpuset.
///
/// # Errors
/// A list that is none, or CPUs that are not there.
pub(crate) fn begin_on(process: &Process) -> Result<()> {
    let asked = process.exec_cpu_affinity.as_ref().and_then(|it| it.initial.as_deref());
    let why = "before the process enters the group";
    match affinity("process.execCPUAffinity.initial", asked, why)? {
        Some(step) => step.run().map_err(|errno| step.failed(errno)),
        None => Ok(()),
    }
}

/// The step that moves it to other CPUs, once it is in the group.
///
/// # Errors
/// A list that is none.
pub(super) fn go_on_on(process: &Process) -> Result<Option<SetAffinity>> {
    let asked = process.exec_cpu_affinity.as_ref().and_then(|it| it.last.as_deref());
    affinity("process.execCPUAffinity.final", asked, "of the CPUs of the group, only these")
}

fn affinity(field: &str, list: Option<&str>, why: &'static str) -> Result<Option<SetAffinity>> {
    let list = list.filter(|it| !it.is_empty());
    list.map(|list| SetAffinity::new(field, list, why)).transpose()
}

fn word<T: Copy>(
    field: &str,
    word: &str,
    table: &[(&'static str, T)],
) -> Result<(&'static str, T)> {
    table.iter().find(|(name, _)| *name == word).copied().ok_or_else(|| {
        let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        refused(field, format!("{word:?} is none of its words"), names.join(", "))
    })
}

fn refused(field: &str, why: String, fix: impl Into<String>) -> Error {
    Error::new(format!("cannot set {field}"))
        .why(format!("config.json, {field}: {why}"))
        .see("7 sched")
        .fix(fix)
}

#[derive(Debug)]
struct SetScheduler {
    name: &'static str,
    attributes: SchedAttr,
}

impl SetScheduler {
    fn new(asked: &Scheduler) -> Result<Self> {
        let (name, policy) = word("process.scheduler.policy", &asked.policy, &POLICIES)?;
        fits(asked)?;
        let mut flags = 0;
        for flag in &asked.flags {
            flags |= word("process.scheduler.flags", flag, &FLAGS)?.1;
        }
        let attributes = SchedAttr {
            policy,
            flags,
            nice: asked.nice.unwrap_or(0),
            priority: asked.priority.unwrap_or(0).unsigned_abs(),
            runtime_ns: asked.runtime.unwrap_or(0),
            deadline_ns: asked.deadline.unwrap_or(0),
            period_ns: asked.period.unwrap_or(0),
            ..SchedAttr::default()
        };
        Ok(Self { name, attributes })
    }
}

/// The kernel passes over what does not belong to the policy, so whoever wrote it would never know.
fn fits(asked: &Scheduler) -> Result<()> {
    let set = |number: Option<u64>| number.is_some_and(|it| it != 0);
    let policy = asked.policy.as_str();
    let real_time = matches!(policy, "SCHED_FIFO" | "SCHED_RR");
    if let Some(nice) = asked.nice.filter(|nice| !(-20..=19).contains(nice)) {
        let field = "process.scheduler.nice";
        return Err(refused(field, format!("{nice} is out of range"), "-20 to 19 are accepted"));
    }
    if let Some(priority) = asked.priority.filter(|it| !real_time && *it != 0) {
        let why = format!("it is {priority}, and {policy} has no priorities");
        let fix = "use SCHED_FIFO or SCHED_RR, or nice";
        return Err(refused("process.scheduler.priority", why, fix));
    }
    if asked.priority.is_some_and(|it| !(0..=99).contains(&it)) {
        let fix = "1 to 99 are accepted";
        return Err(refused("process.scheduler.priority", "it is out of range".to_owned(), fix));
    }
    let times = set(asked.runtime) || set(asked.deadline) || set(asked.period);
    if times && policy != "SCHED_DEADLINE" {
        let why = format!("runtime, deadline and period are there, and the policy is {policy}");
        return Err(refused("process.scheduler", why, "they belong to SCHED_DEADLINE"));
    }
    Ok(())
}

impl Step for SetScheduler {
    fn run(&self) -> Done {
        sys::sched_setattr(self.attributes)
    }

    fn explain(&self) -> Explanation {
        let SchedAttr { flags, nice, priority, .. } = self.attributes;
        let name = self.name;
        let numbers = match name {
            "SCHED_FIFO" | "SCHED_RR" => format!(", priority={priority}"),
            "SCHED_DEADLINE" => {
                let SchedAttr { runtime_ns, deadline_ns, period_ns, .. } = self.attributes;
                format!(", runtime={runtime_ns}, deadline={deadline_ns}, period={period_ns}")
            }
            _ => format!(", nice={nice}"),
        };
        Explanation::new(
            format!("sched_setattr(0, {{{name}, flags={flags:#x}{numbers}}}, 0)"),
            "process.scheduler: before the capabilities go, most of it takes CAP_SYS_NICE",
            "2 sched_setattr",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some(
                "real-time policies and a lower nice value take CAP_SYS_NICE, or RLIMIT_RTPRIO and \
                 RLIMIT_NICE; on cgroup v1 the group also needs cpu.rt_runtime_us, and \
                 SCHED_DEADLINE all CPUs",
            ),
            Errno::EINVAL => Some(
                "the kernel does not know the policy (SCHED_ISO has none), or takes a priority of 1 \
                 to 99, or runtime <= deadline <= period",
            ),
            Errno::EBUSY => Some("the CPUs cannot promise so much time: ask for a lower runtime"),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct SetIoPriority {
    name: &'static str,
    class: u16,
    level: u16,
}

impl SetIoPriority {
    fn new(asked: &IoPriority) -> Result<Self> {
        let classes = [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];
        let (name, class) = word("process.ioPriority.class", &asked.class, &classes)?;
        match u16::try_from(asked.priority) {
            Ok(level @ 0..=7) => Ok(Self { name, class, level }),
            _ => Err(refused(
                "process.ioPriority.priority",
                format!("it is {}", asked.priority),
                "0, served first, to 7 are accepted",
            )),
        }
    }
}

impl Step for SetIoPriority {
    fn run(&self) -> Done {
        sys::ioprio_set(self.class << 13 | self.level)
    }

    fn explain(&self) -> Explanation {
        let call = format!("ioprio_set(IOPRIO_WHO_PROCESS, 0, {{{}, {}}})", self.name, self.level);
        Explanation::new(call, "process.ioPriority: how soon its reads are served", "2 ioprio_set")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some("IOPRIO_CLASS_RT takes CAP_SYS_ADMIN or CAP_SYS_NICE"),
            _ => None,
        }
    }
}

/// The CPUs that a process may run on.
#[derive(Debug)]
pub(super) struct SetAffinity {
    cpus: CpuSet,
    list: String,
    why: &'static str,
}

impl SetAffinity {
    fn new(field: &str, list: &str, why: &'static str) -> Result<Self> {
        let mut cpus = CpuSet::new();
        for cpu in list::numbers(field, list)? {
            cpus.set(cpu).map_err(|_| {
                let most = CpuSet::count();
                refused(field, format!("there is no CPU {cpu}"), format!("0 to {}", most - 1))
            })?;
        }
        Ok(Self { cpus, list: list.to_owned(), why })
    }
}

impl Step for SetAffinity {
    fn run(&self) -> Done {
        sched_setaffinity(Pid::from_raw(0), &self.cpus)
    }

    fn explain(&self) -> Explanation {
        let call = format!("sched_setaffinity(0, .., {{{}}})", self.list);
        Explanation::new(call, self.why, "2 sched_setaffinity")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EINVAL => Some("none of these CPUs is there and in the cpuset of the group"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(scheduler: serde_json::Value, field: &str) {
        let scheduler: Scheduler = serde_json::from_value(scheduler).unwrap();
        let error = SetScheduler::new(&scheduler).unwrap_err();
        assert_eq!(error.what, format!("cannot set process.scheduler{field}"));
    }

    #[test]
    fn a_number_must_go_with_the_policy() {
        use serde_json::json;
        refuses(json!({"policy": "SCHED_NONE"}), ".policy");
        refuses(json!({"policy": "SCHED_OTHER", "nice": 20}), ".nice");
        refuses(json!({"policy": "SCHED_BATCH", "priority": 1}), ".priority");
        refuses(json!({"policy": "SCHED_FIFO", "priority": 100}), ".priority");
        refuses(json!({"policy": "SCHED_FIFO", "runtime": 1}), "");
        refuses(json!({"policy": "SCHED_RR", "flags": ["X"]}), ".flags");
    }

    #[test]
    fn a_level_is_0_to_7() {
        let set = |class: &str, priority| {
            SetIoPriority::new(&IoPriority { class: class.to_owned(), priority }).is_ok()
        };
        assert!(set("IOPRIO_CLASS_BE", 7) && set("IOPRIO_CLASS_RT", 0));
        assert!(!set("IOPRIO_CLASS_BE", 8) && !set("IOPRIO_CLASS_BE", -1) && !set("BE", 0));
    }
}
