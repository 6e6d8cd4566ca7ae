//! Resources: limits in the words of the runtime specification, which are those of cgroup v1.

use oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources, Rlimit, ThrottleDevice, WeightDevice};

use super::{Found, devices};
use crate::container::{self, DeviceRate, Limits, Options, Ulimit};

/// What a container may use: its limits, and the devices that every program needs.
pub fn resources(options: &Options, found: &Found) -> Resources {
    Resources {
        devices: devices::rules(options, found),
        block_io: block_io(&options.limits.block_io, found),
        ..limits(options)
    }
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
    let swap =
        limits.memory.map(|limit| limits.memory_swap.unwrap_or_else(|| limit.saturating_mul(2)));
    let memory = Memory {
        limit: limits.memory,
        swap,
        reservation: limits.memory_reservation,
        swappiness: limits.memory_swappiness,
        disable_oom_killer: limits.oom_kill_disable.then_some(true),
        ..Memory::default()
    };
    (memory != Memory::default()).then_some(memory)
}

fn cpu(limits: &Limits) -> Option<Cpu> {
    let cpu = Cpu {
        quota: limits.cpu_quota_us,
        period: limits.cpu_period_us,
        shares: limits.cpu_shares,
        cpus: limits.cpuset_cpus.clone(),
        mems: limits.cpuset_mems.clone(),
        ..Cpu::default()
    };
    (cpu != Cpu::default()).then_some(cpu)
}

fn block_io(asked: &container::BlockIo, found: &Found) -> Option<BlockIo> {
    let number = |rate: &DeviceRate| found.numbers.get(&rate.device).copied().unwrap_or_default();
    let rates = |rates: &[DeviceRate]| -> Vec<ThrottleDevice> {
        let throttle = |it: &DeviceRate| {
            let (major, minor) = number(it);
            ThrottleDevice { major, minor, rate: it.rate }
        };
        rates.iter().map(throttle).collect()
    };
    let weight = |it: &DeviceRate| {
        let (major, minor) = number(it);
        WeightDevice { major, minor, weight: u16::try_from(it.rate).ok(), leaf_weight: None }
    };
    let io = BlockIo {
        weight: asked.weight,
        weight_device: asked.weight_device.iter().map(weight).collect(),
        throttle_read_bps_device: rates(&asked.read_bps),
        throttle_write_bps_device: rates(&asked.write_bps),
        throttle_read_iops_device: rates(&asked.read_iops),
        throttle_write_iops_device: rates(&asked.write_iops),
        ..BlockIo::default()
    };
    (io != BlockIo::default()).then_some(io)
}

/// `nofile` is RLIMIT_NOFILE.
pub fn rlimits(ulimits: &[Ulimit]) -> Vec<Rlimit> {
    let rlimit = |it: &Ulimit| Rlimit {
        kind: format!("RLIMIT_{}", it.name.to_uppercase()),
        soft: it.soft,
        hard: it.hard,
    };
    ulimits.iter().map(rlimit).collect()
}
