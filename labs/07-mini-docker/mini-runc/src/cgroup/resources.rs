//! Resources: config.json's words for limits in lab 02's.
//!
//! The specification has no word for "no limit asked for" but absence, and engines write 0 for it.
//!
//! Source: runtime specification, config-linux.md, "Control groups".

use cgroups::{Bound, Cpu, Cpuset, DeviceLimit, HugePages, Limits, Memory};
use ground::Result;
use oci::runtime::{BlockIo, Resources, ThrottleDevice};

/// The limits that config.json asks for; device rules are not among them.
pub(super) fn limits(resources: &Resources) -> Result<Limits> {
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
        },
        pids: pids.map(Bound::from),
        io: resources.block_io.as_ref().map(io).unwrap_or_default(),
        hugetlb: huge_pages(resources),
        unified: resources.unified.clone(),
    })
}

fn huge_pages(resources: &Resources) -> Vec<HugePages> {
    let limits = resources.hugepage_limits.iter();
    limits.map(|it| HugePages { page_size: it.page_size.clone(), limit: it.limit }).collect()
}

fn io(block_io: &BlockIo) -> Vec<DeviceLimit> {
    let mut limits: Vec<DeviceLimit> = Vec::new();
    let mut set = |entries: &[ThrottleDevice], field: fn(&mut DeviceLimit) -> &mut Option<u64>| {
        for ThrottleDevice { major, minor, rate } in entries {
            let device = (*major as u64, *minor as u64);
            let index = limits.iter().position(|it| it.device == device).unwrap_or_else(|| {
                limits.push(DeviceLimit { device, ..DeviceLimit::default() });
                limits.len() - 1
            });
            *field(&mut limits[index]) = Some(*rate);
        }
    };
    set(&block_io.throttle_read_bps_device, |it| &mut it.rbps);
    set(&block_io.throttle_write_bps_device, |it| &mut it.wbps);
    set(&block_io.throttle_read_iops_device, |it| &mut it.riops);
    set(&block_io.throttle_write_iops_device, |it| &mut it.wiops);
    limits
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
