//! Resources: config.json's words for limits in lab 02's.
//!
//! The specification has no word for "no limit asked for" but absence, and engines write 0 for it.
//!
//! Source: runtime specification, config-linux.md, "Control groups".

use std::collections::BTreeMap;

use cgroups::{Bound, Cpu, Cpuset, DeviceLimit, HugePages, Io, Limits, Memory, Network, Rdma};
use ground::Result;
use oci::runtime::{BlockIo, Resources, ThrottleDevice, WeightDevice};

/// The limits that config.json asks for; device rules are not among them.
pub(crate) fn limits(resources: &Resources) -> Result<Limits> {
    let bound = |value: Option<i64>| value.filter(|it| *it != 0).map(Bound::from);
    let memory = resources.memory.clone().unwrap_or_default();
    let cpu = resources.cpu.clone().unwrap_or_default();
    let pids = resources.pids.map(|it| it.limit).filter(|it| *it != 0);
    Ok(Limits {
        cpu: Cpu {
            quota_us: bound(cpu.quota),
            period_us: cpu.period.filter(|it| *it != 0),
            burst_us: cpu.burst,
            shares: cpu.shares.filter(|it| *it != 0),
            weight: None,
            realtime_runtime_us: cpu.realtime_runtime.filter(|it| *it != 0),
            realtime_period_us: cpu.realtime_period.filter(|it| *it != 0),
            idle: cpu.idle,
        },
        cpuset: Cpuset {
            cpus: cpu.cpus.filter(|it| !it.is_empty()),
            mems: cpu.mems.filter(|it| !it.is_empty()),
        },
        memory: Memory {
            limit: bound(memory.limit),
            swap: bound(memory.swap),
            reservation: bound(memory.reservation),
            kernel: bound(memory.kernel),
            kernel_tcp: bound(memory.kernel_tcp),
            swappiness: memory.swappiness,
            disable_oom_killer: memory.disable_oom_killer.filter(|it| *it),
            use_hierarchy: memory.use_hierarchy,
            check_before_update: memory.check_before_update.unwrap_or(false),
        },
        pids: pids.map(Bound::from),
        io: resources.block_io.as_ref().map(io).unwrap_or_default(),
        hugetlb: huge_pages(resources),
        network: network(resources),
        rdma: rdma(resources),
        unified: resources.unified.clone(),
    })
}

fn huge_pages(resources: &Resources) -> Vec<HugePages> {
    let limits = resources.hugepage_limits.iter();
    limits.map(|it| HugePages { page_size: it.page_size.clone(), limit: it.limit }).collect()
}

fn network(resources: &Resources) -> Network {
    let network = resources.network.clone().unwrap_or_default();
    Network {
        class_id: network.class_id.filter(|it| *it != 0),
        priorities: network.priorities.into_iter().map(|it| (it.name, it.priority)).collect(),
    }
}

fn rdma(resources: &Resources) -> BTreeMap<String, Rdma> {
    let limit =
        |it: &oci::runtime::Rdma| Rdma { hca_handles: it.hca_handles, hca_objects: it.hca_objects };
    resources.rdma.iter().map(|(device, it)| (device.clone(), limit(it))).collect()
}

fn io(block_io: &BlockIo) -> Io {
    let mut devices: Vec<DeviceLimit> = Vec::new();
    for WeightDevice { major, minor, weight, leaf_weight } in &block_io.weight_device {
        let limit = entry(&mut devices, (*major, *minor));
        limit.weight = weight.filter(|it| *it != 0);
        limit.leaf_weight = leaf_weight.filter(|it| *it != 0);
    }
    let mut set = |rates: &[ThrottleDevice], field: fn(&mut DeviceLimit) -> &mut Option<u64>| {
        for ThrottleDevice { major, minor, rate } in rates {
            *field(entry(&mut devices, (*major, *minor))) = Some(*rate);
        }
    };
    set(&block_io.throttle_read_bps_device, |it| &mut it.rbps);
    set(&block_io.throttle_write_bps_device, |it| &mut it.wbps);
    set(&block_io.throttle_read_iops_device, |it| &mut it.riops);
    set(&block_io.throttle_write_iops_device, |it| &mut it.wiops);
    Io {
        weight: block_io.weight.filter(|it| *it != 0),
        leaf_weight: block_io.leaf_weight.filter(|it| *it != 0),
        devices,
    }
}

/// What is said of one device, which config.json spreads over several lists.
fn entry(devices: &mut Vec<DeviceLimit>, (major, minor): (i64, i64)) -> &mut DeviceLimit {
    let device = (major as u64, minor as u64);
    let index = devices.iter().position(|it| it.device == device).unwrap_or_else(|| {
        devices.push(DeviceLimit { device, ..DeviceLimit::default() });
        devices.len() - 1
    });
    &mut devices[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_that_no_limit_is_asked_for() {
        let resources: Resources = serde_json::from_str(
            r#"{"memory":{"limit":0},"cpu":{"shares":0,"quota":0},"pids":{"limit":0}}"#,
        )
        .unwrap();
        assert_eq!(limits(&resources).unwrap(), Limits::default());
    }
}
