//! Block devices on disk: v1 has a file per rate, v2 a line per device.
//!
//! Weights are kept by a scheduler, and the scheduler brings the file: CFQ had `blkio.weight` until
//! Linux 5.0, BFQ has `blkio.bfq.weight` and `io.bfq.weight`, iocost has `io.weight`. So a weight
//! has two files here, and the one that is there is written.
//!
//! Source: the kernel's admin-guide/cgroup-v1/blkio-controller.rst; admin-guide/cgroup-v2.rst, "IO".

use super::{DeviceLimit, Io, Write};
use crate::{Controller, Version};

pub(super) fn writes(io: &Io, version: Version) -> Vec<Write> {
    let own = io.weight.map(|it| weight(None, it, version));
    let leaf = io.leaf_weight.filter(|_| version == Version::V1);
    let leaf = leaf.map(|it| write("blkio.leaf_weight", it));
    let devices = io.devices.iter().flat_map(|it| device(it, version));
    own.into_iter().chain(leaf).chain(devices).collect()
}

fn write(file: &str, value: impl ToString) -> Write {
    Write::new(Controller::Io, file, value)
}

fn weight(device: Option<(u64, u64)>, weight: u16, version: Version) -> Write {
    let named = |weight: u64| match device {
        Some((major, minor)) => format!("{major}:{minor} {weight}"),
        None => weight.to_string(),
    };
    let value = named(weight.into());
    let (of_device, here) = (device.is_some(), version);
    match (here, of_device) {
        (Version::V1, false) => write("blkio.bfq.weight", &value).or("blkio.weight", value),
        (Version::V1, true) => {
            write("blkio.bfq.weight_device", &value).or("blkio.weight_device", value)
        }
        (Version::V2, _) => {
            write("io.bfq.weight", value).or("io.weight", named(weight_of_v2(weight)))
        }
    }
}

/// v1's weight of block devices (10 to 1000) on the scale of v2's `io.weight` (1 to 10000): a line
/// through both ends.
///
/// Source: cgroup-v2.rst, "IO Interface Files"; the same in runc and crun.
pub fn weight_of_v2(weight: u16) -> u64 {
    1 + u64::from(weight).saturating_sub(10) * 9999 / 990
}

fn device(limit: &DeviceLimit, version: Version) -> Vec<Write> {
    let (major, minor) = limit.device;
    let own = limit.weight.map(|it| weight(Some(limit.device), it, version));
    let leaf = limit.leaf_weight.filter(|_| version == Version::V1);
    let leaf = leaf.map(|it| write("blkio.leaf_weight_device", format!("{major}:{minor} {it}")));
    own.into_iter().chain(leaf).chain(rates(limit, version)).collect()
}

fn rates(limit: &DeviceLimit, version: Version) -> Vec<Write> {
    let DeviceLimit { device: (major, minor), rbps, wbps, riops, wiops, .. } = limit;
    let rates = [
        ("blkio.throttle.read_bps_device", "rbps", rbps),
        ("blkio.throttle.write_bps_device", "wbps", wbps),
        ("blkio.throttle.read_iops_device", "riops", riops),
        ("blkio.throttle.write_iops_device", "wiops", wiops),
    ];
    let given = rates.into_iter().filter_map(|(file, key, rate)| Some((file, key, (*rate)?)));
    match version {
        Version::V1 => {
            given.map(|(file, _, rate)| write(file, format!("{major}:{minor} {rate}"))).collect()
        }
        Version::V2 => {
            // 0 lifts a limit of v1, and is out of range here.
            let rate = |it| if it == 0 { "max".to_owned() } else { format!("{it}") };
            let rates: String = given.map(|(_, key, it)| format!(" {key}={}", rate(it))).collect();
            let line = (!rates.is_empty()).then(|| format!("{major}:{minor}{rates}"));
            line.map(|line| write("io.max", line)).into_iter().collect()
        }
    }
}
