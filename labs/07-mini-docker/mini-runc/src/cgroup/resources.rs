//! Resources: config.json's words for limits in lab 02's, and back.
//!
//! The specification has no word for "no limit asked for" but absence, and engines write 0 for it.
//!
//! Source: runtime specification, config-linux.md, "Control groups".

use std::collections::BTreeMap;

use cgroups::{Bound, Cpu, Cpuset, DeviceLimit, HugePages, Io, Limits, Memory, Network, Rdma};
use ground::Result;
use oci::runtime::{
    self as json, BlockIo, HugepageLimit, NetworkPriority, Pids, Resources, ThrottleDevice,
    WeightDevice,
};

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

/// The words that [`limits`] reads as these; device rules are not among them.
pub(crate) fn in_json(limits: &Limits) -> Resources {
    let Limits { cpu, cpuset, memory, pids, io, hugetlb, network, rdma, unified } = limits.clone();
    let bound = |it: Option<Bound>| it.map(number);
    let huge_page = |HugePages { page_size, limit }| HugepageLimit { page_size, limit };
    let priority = |(name, priority)| NetworkPriority { name, priority };
    let rdma_of = |Rdma { hca_handles, hca_objects }| json::Rdma { hca_handles, hca_objects };
    Resources {
        unified,
        devices: Vec::new(),
        memory: Some(json::Memory {
            limit: bound(memory.limit),
            reservation: bound(memory.reservation),
            swap: bound(memory.swap),
            kernel: bound(memory.kernel),
            kernel_tcp: bound(memory.kernel_tcp),
            swappiness: memory.swappiness,
            disable_oom_killer: memory.disable_oom_killer,
            use_hierarchy: memory.use_hierarchy,
            check_before_update: memory.check_before_update.then_some(true),
        }),
        cpu: Some(json::Cpu {
            shares: cpu.shares,
            quota: bound(cpu.quota_us),
            burst: cpu.burst_us,
            period: cpu.period_us,
            realtime_runtime: cpu.realtime_runtime_us,
            realtime_period: cpu.realtime_period_us,
            cpus: cpuset.cpus,
            mems: cpuset.mems,
            idle: cpu.idle,
        }),
        pids: pids.map(|it| Pids { limit: number(it) }),
        block_io: Some(block_io(&io)),
        hugepage_limits: hugetlb.into_iter().map(huge_page).collect(),
        network: Some(json::Network {
            class_id: network.class_id,
            priorities: network.priorities.into_iter().map(priority).collect(),
        }),
        rdma: rdma.into_iter().map(|(device, it)| (device, rdma_of(it))).collect(),
    }
}

fn number(bound: Bound) -> i64 {
    bound.value().and_then(|it| i64::try_from(it).ok()).unwrap_or(-1)
}

fn block_io(io: &Io) -> BlockIo {
    let weight = |it: &DeviceLimit| WeightDevice {
        major: it.device.0 as i64,
        minor: it.device.1 as i64,
        weight: it.weight,
        leaf_weight: it.leaf_weight,
    };
    let weighted = io.devices.iter().filter(|it| it.weight.or(it.leaf_weight).is_some());
    let rates = |field: fn(&DeviceLimit) -> Option<u64>| {
        let of = |it: &DeviceLimit| {
            let (major, minor) = (it.device.0 as i64, it.device.1 as i64);
            field(it).map(|rate| ThrottleDevice { major, minor, rate })
        };
        io.devices.iter().filter_map(of).collect()
    };
    BlockIo {
        weight: io.weight,
        leaf_weight: io.leaf_weight,
        weight_device: weighted.map(weight).collect(),
        throttle_read_bps_device: rates(|it| it.rbps),
        throttle_write_bps_device: rates(|it| it.wbps),
        throttle_read_iops_device: rates(|it| it.riops),
        throttle_write_iops_device: rates(|it| it.wiops),
    }
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

    #[test]
    fn limits_are_the_same_after_the_way_through_config_json() {
        let text = r#"{"memory":{"limit":1,"swap":-1,"reservation":3,"kernel":4,"kernelTCP":5,
            "swappiness":6,"disableOOMKiller":true,"useHierarchy":true,"checkBeforeUpdate":true},
            "cpu":{"shares":1,"quota":-1,"burst":3,"period":4,"realtimeRuntime":5,"realtimePeriod":6,
            "cpus":"0","mems":"1","idle":1},"pids":{"limit":-1},"unified":{"memory.high":"1"},
            "blockIO":{"weight":10,"leafWeight":11,"weightDevice":[{"major":8,"minor":0,"weight":12},
            {"major":8,"minor":1,"leafWeight":13}],
            "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":0}],
            "throttleWriteBpsDevice":[{"major":8,"minor":2,"rate":2}],
            "throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":3}],
            "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":4}]},
            "hugepageLimits":[{"pageSize":"2MB","limit":1}],
            "network":{"classID":1,"priorities":[{"name":"lo","priority":2}]},
            "rdma":{"mlx5_1":{"hcaHandles":1,"hcaObjects":2}}}"#;
        let all = limits(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(limits(&in_json(&all)).unwrap(), all);
        assert!(
            all.io.devices.len() == 3 && all.memory.check_before_update && !all.rdma.is_empty()
        );
        assert_eq!(limits(&in_json(&Limits::default())).unwrap(), Limits::default());
    }
}
