//! Devices: nodes of the host inside, and who may open them.
//!
//! Making a node and opening it are two questions. The first is mknod(2), which no user namespace
//! may: there the host's node is bound. The second is the devices controller's, and where an
//! ordinary user has none, the file's own mode's.

use oci::runtime::{Device, DeviceRule, Mount};

use super::{Found, found::Node};
use crate::container::{DeviceAccess, Options};

/// The nodes that the runtime makes.
pub fn devices(found: &Found) -> Vec<Device> {
    match found.mapped.is_all() {
        true => found.devices.iter().map(|node| node.device.clone()).collect(),
        false => Vec::new(),
    }
}

/// The nodes that are bound, where none can be made.
pub fn bound(found: &Found) -> Vec<Mount> {
    let bind = |node: &Node| Mount {
        destination: node.device.path.clone(),
        source: Some(node.host.display().to_string()),
        kind: Some("bind".into()),
        options: ["bind", "rprivate", "nosuid", "noexec"].map(str::to_owned).into(),
        ..Mount::default()
    };
    match found.mapped.is_all() {
        true => Vec::new(),
        false => found.devices.iter().map(bind).collect(),
    }
}

/// Which devices may be opened; the last rule that fits decides.
pub fn rules(options: &Options, found: &Found) -> Vec<DeviceRule> {
    let mut rules = defaults(options.security.privileged);
    if options.security.privileged {
        return rules;
    }
    rules.extend(found.devices.iter().map(of_node));
    rules.extend(options.device_rules.iter().map(asked));
    rules
}

fn of_node(node: &Node) -> DeviceRule {
    let Device { kind, major, minor, .. } = &node.device;
    rule(true, Some(kind), (*major, *minor), &node.access)
}

fn asked(rule: &DeviceAccess) -> DeviceRule {
    DeviceRule {
        allow: true,
        kind: Some(rule.kind.to_string()),
        major: rule.major,
        minor: rule.minor,
        access: Some(rule.access.clone()),
    }
}

fn rule(
    allow: bool,
    kind: Option<&str>,
    (major, minor): (Option<i64>, Option<i64>),
    access: &str,
) -> DeviceRule {
    let kind = kind.map(str::to_owned);
    DeviceRule { allow, kind, major, minor, access: Some(access.to_owned()) }
}

/// null, zero, full, random, urandom, tty, console, ptmx and the terminals of devpts; making any
/// device node is allowed, opening it is not (config-linux.md, "Allowed Device list").
fn defaults(privileged: bool) -> Vec<DeviceRule> {
    const ANY: (Option<i64>, Option<i64>) = (None, None);
    if privileged {
        return vec![rule(true, None, ANY, "rwm")];
    }
    let character = Some("c");
    let mut rules = vec![
        rule(false, None, ANY, "rwm"),
        rule(true, character, ANY, "m"),
        rule(true, Some("b"), ANY, "m"),
    ];
    let known = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
    for (major, minor) in known {
        rules.push(rule(true, character, (Some(major), Some(minor)), "rwm"));
    }
    rules.push(rule(true, character, (Some(136), None), "rwm"));
    rules
}
