//! Events: what a container has used, every few seconds, and that it ran out of memory.
//!
//! One JSON object a line, in runc's shape, which engines read. The numbers are lab 02's; this
//! file names them as runc does. Out of memory is heard, not asked for: v2 changes memory.events,
//! v1 writes to an eventfd.
//!
//! Source: runc-events(8); runc's types/events.go; cgroup-v1/memory.rst, "OOM Control".

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use cgroups::{Account, Bound, Controller, Group, IoCount, Pressure, Stalled, Usage, Version};
use ground::{Errno, Error, Result};
use namespaces::pidfd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Map, Value, json};

use crate::{record::Container, sys};

/// What a container has used until now.
///
/// # Errors
/// It has no group.
pub(crate) fn stats(container: &Container) -> Result<Value> {
    Ok(event(container, "stats", Some(data(&group_of(container)?.account()))))
}

/// Tells `on_event` what a container has used every `interval`, and each time that a process of it
/// was killed for want of memory, until it has ended.
///
/// # Errors
/// It does not run or has no group; what `on_event` returns.
pub(crate) fn follow(
    container: &Container,
    interval: Duration,
    on_event: &mut dyn FnMut(Value) -> Result<()>,
) -> Result<()> {
    let Some(pid) = container.process() else {
        return Err(container.refuse("container not running", container.status()));
    };
    let group = group_of(container)?;
    let process = pidfd::open(pid)?;
    let memory = oom_descriptor(&group);
    let mut kills = oom_kills(&group);
    let mut next = Instant::now() + interval;
    let mut ended = false;
    loop {
        // After the end once more: it may have been the last process that was killed.
        let now = oom_kills(&group);
        for _ in kills..now {
            on_event(event(container, "oom", None))?;
        }
        kills = kills.max(now);
        if ended {
            return Ok(());
        }
        if Instant::now() >= next {
            on_event(event(container, "stats", Some(data(&group.account()))))?;
            next += interval;
        }
        ended = wait(&process, memory.as_ref(), next)?;
    }
}

fn group_of(container: &Container) -> Result<Group> {
    container.group()?.ok_or_else(|| {
        Error::new("cannot tell what the container uses")
            .why("it has no cgroup, and nothing else counts")
            .fix("run it as root, or in a delegated cgroup")
    })
}

fn event(container: &Container, kind: &str, data: Option<Value>) -> Value {
    let mut event = json!({"type": kind, "id": container.record.id});
    if let Some(data) = data {
        event["data"] = data;
    }
    event
}

/// Waits for news of the memory or for the time; true when the process has ended.
fn wait(process: &OwnedFd, memory: Option<&OwnedFd>, until: Instant) -> Result<bool> {
    let mut ready = vec![PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    ready.extend(memory.map(|it| PollFd::new(it.as_fd(), PollFlags::POLLIN)));
    let left = until.saturating_duration_since(Instant::now());
    // Rounded up: a wait that ends too early would be made again at once.
    let timeout =
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut ready, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Error::new("cannot wait for events").call("poll(..)", errno)),
    }
    let ended = ready[0].any() == Some(true);
    if let Some(memory) = memory.filter(|_| ready[1].any() == Some(true)) {
        // What is read is only that something happened; the counter says what.
        let _ = nix::unistd::read(memory, &mut [0; 4096]);
    }
    Ok(ended)
}

fn oom_kills(group: &Group) -> u64 {
    group.stat().memory.oom_kills.unwrap_or(0)
}

/// A descriptor that is readable when memory ran out; `None` where the machine has none.
fn oom_descriptor(group: &Group) -> Option<OwnedFd> {
    let memory = group.dir_of(Controller::Memory)?;
    let v1 = group.directories().any(|(dir, version, _)| dir == memory && version == Version::V1);
    if !v1 {
        return sys::watch_changes(&rootfs::c_path(memory.join("memory.events")).ok()?).ok();
    }
    let control = std::fs::File::open(memory.join("memory.oom_control")).ok()?;
    let event = sys::eventfd().ok()?;
    let line = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    group.write(Controller::Memory, "cgroup.event_control", &line).ok()?;
    Some(event)
}

/// runc's Stats.
fn data(account: &Account) -> Value {
    let Account { stat, .. } = account;
    let file = account.stat.memory.file.unwrap_or(0);
    let memory = Usage {
        current: stat.memory.current,
        peak: stat.memory.peak,
        limit: stat.memory.limit,
        limit_hits: stat.memory.limit_hits,
    };
    json!({
        "cpu": cpu(account),
        "memory": {
            "cache": file,
            "usage": usage(&memory),
            "swap": usage(&account.memory_and_swap),
            "kernel": usage(&account.kernel),
            "kernelTCP": usage(&account.kernel_tcp),
            "raw": account.memory_stat,
            "psi": account.memory_pressure.map(|it| pressure(&it)),
        },
        "pids": {
            "current": stat.pids.current.unwrap_or(0),
            "limit": stat.pids.limit.and_then(Bound::value).unwrap_or(0),
        },
        "blkio": {
            "ioServiceBytesRecursive": io(&account.io, |it| it.bytes),
            "ioServicedRecursive": io(&account.io, |it| it.times),
            "psi": account.io_pressure.map(|it| pressure(&it)),
        },
        "hugetlb": account.hugetlb.iter().map(|(size, it)| (size.clone(), huge(it))).collect::<Map<_, _>>(),
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

/// Nanoseconds.
fn cpu(account: &Account) -> Value {
    let cpu = &account.stat.cpu;
    let ns = |us: Option<u64>| us.unwrap_or(0) * 1000;
    let each = |choose: fn(&cgroups::PerCpu) -> u64| {
        account.per_cpu.iter().map(choose).collect::<Vec<_>>()
    };
    json!({
        "usage": {
            "total": ns(cpu.usage_us),
            "percpu": each(|it| it.user_ns + it.system_ns),
            "percpu_kernel": each(|it| it.system_ns),
            "percpu_user": each(|it| it.user_ns),
            "kernel": ns(cpu.system_us),
            "user": ns(cpu.user_us),
        },
        "throttling": {
            "periods": cpu.periods.unwrap_or(0),
            "throttledPeriods": cpu.throttled_periods.unwrap_or(0),
            "throttledTime": ns(cpu.throttled_us),
        },
        "psi": account.cpu_pressure.map(|it| pressure(&it)),
    })
}

/// No limit is the largest number, as runc has it.
fn usage(usage: &Usage) -> Value {
    json!({
        "limit": usage.limit.map_or(0, |it| it.value().unwrap_or(u64::MAX)),
        "usage": usage.current.unwrap_or(0),
        "max": usage.peak.unwrap_or(0),
        "failcnt": usage.limit_hits.unwrap_or(0),
    })
}

fn huge(usage: &Usage) -> Value {
    json!({
        "usage": usage.current.unwrap_or(0),
        "max": usage.peak.unwrap_or(0),
        "failcnt": usage.limit_hits.unwrap_or(0),
    })
}

fn io(counts: &[IoCount], choose: fn(&IoCount) -> Option<u64>) -> Vec<Value> {
    let entry = |it: &IoCount| {
        let (major, minor) = it.device;
        Some(json!({"major": major, "minor": minor, "op": it.operation, "value": choose(it)?}))
    };
    counts.iter().filter_map(entry).collect()
}

fn pressure(it: &Pressure) -> Value {
    let stalled = |it: Option<Stalled>| {
        let it = it.unwrap_or_default();
        json!({"avg10": it.avg10, "avg60": it.avg60, "avg300": it.avg300, "total": it.total_us})
    };
    json!({"some": stalled(it.some), "full": stalled(it.full)})
}
