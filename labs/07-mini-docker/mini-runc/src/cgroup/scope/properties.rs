//! Properties: limits and device rules in systemd's words.
//!
//! Only what systemd has a word for; the rest it neither knows nor touches. CPU time has one for
//! each version, and the one for v2 would win on v1 too.
//!
//! Source: systemd.resource-control(5), org.freedesktop.systemd1(5).

use std::fs;

use cgroups::{
    Bound, CpuList, Limits, Version,
    devices::{ANY, Kind, List, Rule},
    shares_to_weight,
};
use nix::unistd::Pid;

/// How long a quota's period is when nobody says.
const PERIOD_US: u64 = 100_000;

/// One property: its name, the type of its value, and the value as busctl(1) takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    name: &'static str,
    signature: &'static str,
    value: Vec<String>,
}

impl Property {
    /// The words for busctl.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        [self.name, self.signature].into_iter().chain(self.value.iter().map(String::as_str))
    }
}

fn text(name: &'static str, value: &str) -> Property {
    Property { name, signature: "s", value: vec![value.to_owned()] }
}

fn flag(name: &'static str, value: bool) -> Property {
    Property { name, signature: "b", value: vec![value.to_string()] }
}

fn number(name: &'static str, value: u64) -> Property {
    Property { name, signature: "t", value: vec![value.to_string()] }
}

/// systemd's infinity is the largest number.
fn bound(name: &'static str, value: Bound) -> Property {
    number(name, if let Bound::At(value) = value { value } else { u64::MAX })
}

/// What every container's scope has.
pub(super) fn of_every_scope(unit: &str, slice: &str, pid: Pid) -> Vec<Property> {
    let mut properties = vec![
        text("Description", &format!("container {unit}")),
        // What is in it is not systemd's to order, to stop first or to look into.
        flag("Delegate", true),
        flag("DefaultDependencies", false),
        text("CollectMode", "inactive-or-failed"),
        Property { name: "PIDs", signature: "au", value: vec!["1".to_owned(), pid.to_string()] },
    ];
    // A slice has its place by its name.
    if unit.ends_with(".scope") {
        properties.push(text("Slice", slice));
    }
    let accounting = ["CPUAccounting", "MemoryAccounting", "IOAccounting", "TasksAccounting"];
    properties.extend(accounting.map(|it| flag(it, true)));
    properties
}

/// The limits that systemd has words for.
pub(super) fn of_limits(limits: &Limits, version: Version) -> Vec<Property> {
    let Limits { cpu, cpuset, memory, pids, .. } = limits;
    let mut properties = Vec::new();
    properties.extend(memory.limit.map(|it| bound("MemoryMax", it)));
    properties.extend(memory.reservation.map(|it| bound("MemoryLow", it)));
    properties.extend(swap_alone(memory.limit, memory.swap).map(|it| bound("MemorySwapMax", it)));
    properties.extend(pids.map(|it| bound("TasksMax", it)));
    properties.extend(match version {
        Version::V1 => cpu.shares.map(|it| number("CPUShares", it)),
        Version::V2 => {
            cpu.weight.or(cpu.shares.map(shares_to_weight)).map(|it| number("CPUWeight", it))
        }
    });
    if let Some(quota) = cpu.quota_us {
        let period = cpu.period_us.unwrap_or(PERIOD_US);
        properties.push(number("CPUQuotaPeriodUSec", period));
        properties.push(number("CPUQuotaPerSecUSec", per_second(quota, period)));
    }
    properties.extend(cpuset.cpus.as_deref().and_then(|it| mask("AllowedCPUs", it)));
    properties.extend(cpuset.mems.as_deref().and_then(|it| mask("AllowedMemoryNodes", it)));
    properties
}

/// config.json counts memory and swap together, systemd swap alone.
fn swap_alone(memory: Option<Bound>, both: Option<Bound>) -> Option<Bound> {
    match (memory, both?) {
        (_, Bound::Unlimited) => Some(Bound::Unlimited),
        (Some(Bound::At(memory)), Bound::At(both)) => Some(Bound::At(both.saturating_sub(memory))),
        _ => None,
    }
}

/// Rounded up to 10 ms, as systemd keeps it: less than was asked for would be a second limit.
fn per_second(quota: Bound, period_us: u64) -> u64 {
    const STEP_US: u64 = 10_000;
    match quota {
        Bound::At(quota) => (quota * 1_000_000 / period_us.max(1)).div_ceil(STEP_US) * STEP_US,
        Bound::Unlimited => u64::MAX,
    }
}

/// A list of CPUs or nodes as bits, the lowest eight in the first byte.
fn mask(name: &'static str, list: &str) -> Option<Property> {
    let CpuList(numbers) = list.parse().ok()?;
    let mut bytes = vec![0_u8; numbers.last()? / 8 + 1];
    numbers.iter().for_each(|it| bytes[it / 8] |= 1 << (it % 8));
    let value = std::iter::once(bytes.len().to_string()).chain(bytes.iter().map(u8::to_string));
    Some(Property { name, signature: "ay", value: value.collect() })
}

/// Which devices may be opened: systemd makes its own filter of them, beside ours on v2 and in the
/// place of ours on v1. It has no word for all devices but some.
pub(super) fn of_devices(list: &List) -> Vec<Property> {
    if list.allows_by_default() {
        return Vec::new();
    }
    let numbers = fs::read_to_string("/proc/devices").unwrap_or_default();
    let entries: Vec<String> =
        list.exceptions().iter().filter_map(|it| entry(it, &numbers)).flatten().collect();
    let value = std::iter::once((entries.len() / 2).to_string()).chain(entries).collect();
    vec![
        text("DevicePolicy", "strict"),
        Property { name: "DeviceAllow", signature: "a(ss)", value },
    ]
}

/// systemd names devices by a path, or all of a driver's by the driver's name in /proc/devices.
fn entry(rule: &Rule, numbers: &str) -> Option<[String; 2]> {
    let (kind, section) = match rule.kind {
        Kind::Block => ("block", "Block devices:"),
        _ => ("char", "Character devices:"),
    };
    let name = match (rule.major, rule.minor) {
        (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
        (Some(major), ANY) => {
            let (_, of_kind) = numbers.split_once(section)?;
            let of_kind = of_kind.split("\n\n").next()?.lines();
            let mut names = of_kind.filter_map(|line| line.trim().split_once(' '));
            let (_, driver) = names.find(|(number, _)| *number == major.to_string())?;
            format!("{kind}-{driver}")
        }
        (ANY, ANY) => format!("{kind}-*"),
        (ANY, Some(_)) => return None,
    };
    Some([name, rule.access.letters()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use cgroups::devices::Access;

    #[track_caller]
    fn said(properties: &[Property], expected: &[&str]) {
        let said: Vec<String> =
            properties.iter().map(|it| it.words().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn limits_have_systemds_units() {
        let mut limits = Limits::default();
        limits.memory.limit = Some(Bound::At(100));
        limits.memory.swap = Some(Bound::At(150));
        limits.cpu.quota_us = Some(Bound::At(25_000));
        limits.cpuset.cpus = Some("0-1,9".to_owned());
        limits.pids = Some(Bound::Unlimited);
        limits.cpu.shares = Some(1024);
        let expected = [
            "MemoryMax t 100",
            "MemorySwapMax t 50",
            "TasksMax t 18446744073709551615",
            "CPUWeight t 100",
            "CPUQuotaPeriodUSec t 100000",
            "CPUQuotaPerSecUSec t 250000",
            "AllowedCPUs ay 2 3 2",
        ];
        said(&of_limits(&limits, Version::V2), &expected);
    }

    #[test]
    fn devices_have_systemds_names() {
        let numbers = "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n";
        let rule = |kind, major, minor, letters| {
            let access = Access::of(letters).unwrap();
            Rule { allow: true, kind, major, minor, access }
        };
        let entry = |rule: Rule| entry(&rule, numbers).map(|it| it.join(" "));
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(entry(rule(Kind::Char, Some(1), Some(3), "rwm")), said("/dev/char/1:3 rwm"));
        assert_eq!(entry(rule(Kind::Char, Some(136), ANY, "rw")), said("char-pts rw"));
        assert_eq!(entry(rule(Kind::Block, Some(8), ANY, "r")), said("block-sd r"));
        assert_eq!(entry(rule(Kind::Block, ANY, ANY, "m")), said("block-* m"));
        assert_eq!(entry(rule(Kind::Char, Some(8), ANY, "r")), None);
    }

    #[test]
    fn devices_are_filtered_where_everything_is_denied() {
        let of = |rules: &[Rule]| of_devices(&List::of(rules).unwrap());
        let nothing = Rule { allow: false, ..Rule::EVERYTHING };
        let null = |allow, letters| {
            let access = Access::of(letters).unwrap();
            Rule { allow, kind: Kind::Char, major: Some(1), minor: Some(3), access }
        };
        said(&of(&[null(true, "r"), Rule::EVERYTHING]), &[]);
        let expected = ["DevicePolicy s strict", "DeviceAllow a(ss) 1 /dev/char/1:3 rm"];
        said(&of(&[nothing, null(true, "rwm"), null(false, "w")]), &expected);
        said(&of(&[nothing]), &["DevicePolicy s strict", "DeviceAllow a(ss) 0"]);
    }
}
