//! Resources: limits in the words of the runtime specification, which are those of cgroup v1.

use oci::runtime::{Cpu, DeviceRule, Memory, Pids, Resources};

use crate::container::{Limits, Options};

/// What a container may use: its limits, and the devices that every program needs.
pub fn resources(options: &Options) -> Resources {
    Resources { devices: devices(options.security.privileged), ..limits(options) }
}

/// What a container may use, in numbers: what can be changed while it runs.
pub fn limits(options: &Options) -> Resources {
    let limits = &options.limits;
    Resources {
        memory: memory(limits),
        cpu: cpu(limits),
        pids: limits.pids.map(|limit| Pids { limit }),
        ..Resources::default()
    }
}

/// With a memory limit and nothing said of swap, as much swap as memory may be used: Docker's rule.
fn memory(limits: &Limits) -> Option<Memory> {
    let limit = limits.memory?;
    let swap = limits.memory_swap.unwrap_or(limit.saturating_mul(2));
    Some(Memory { limit: Some(limit), swap: Some(swap), ..Memory::default() })
}

fn cpu(limits: &Limits) -> Option<Cpu> {
    let cpu = Cpu {
        quota: limits.cpu_quota_us,
        period: limits.cpu_period_us,
        shares: limits.cpu_shares,
        cpus: limits.cpuset_cpus.clone(),
        ..Cpu::default()
    };
    (cpu != Cpu::default()).then_some(cpu)
}

/// null, zero, full, random, urandom, tty, console, ptmx and the terminals of devpts; making any
/// device node is allowed, opening it is not (config-linux.md, "Allowed Device list").
fn devices(privileged: bool) -> Vec<DeviceRule> {
    let rule = |allow, kind: Option<&str>, major, minor, access: &str| DeviceRule {
        allow,
        kind: kind.map(str::to_owned),
        major,
        minor,
        access: Some(access.to_owned()),
    };
    if privileged {
        return vec![rule(true, None, None, None, "rwm")];
    }
    let character = Some("c");
    let mut rules = vec![
        rule(false, None, None, None, "rwm"),
        rule(true, character, None, None, "m"),
        rule(true, Some("b"), None, None, "m"),
    ];
    let known = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
    for (major, minor) in known {
        rules.push(rule(true, character, Some(major), Some(minor), "rwm"));
    }
    rules.push(rule(true, character, Some(136), None, "rwm"));
    rules
}
