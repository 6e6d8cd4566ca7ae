//! What was asked for, as it was typed.

use std::collections::BTreeMap;

use crate::container::{
    Connection, ExtraHost, IpcMode, Mount, Network, PidMode, Record, SeccompMode, Security, Source,
};

/// `bridge`, `host`, `container:ID`
pub(super) fn network(record: &Record) -> String {
    match &record.options.network {
        Network::None => "none".into(),
        Network::Host => "host".into(),
        Network::Container(id) => format!("container:{id}"),
        Network::Bridge => {
            let first = record.options.connection.attachments.first();
            first.map_or("bridge", |it| it.network.as_str()).to_owned()
        }
    }
}

/// `name:address`
pub(super) fn extra_hosts(connection: &Connection) -> Option<Vec<String>> {
    let line = |host: &ExtraHost| match host.address {
        Some(address) => format!("{}:{address}", host.name),
        None => format!("{}:host-gateway", host.name),
    };
    let lines: Vec<String> = connection.extra_hosts.iter().map(line).collect();
    (!lines.is_empty()).then_some(lines)
}

/// `/host:/inside:ro`, `name:/inside`
pub(super) fn binds(mounts: &[Mount]) -> Option<Vec<String>> {
    let bind = |mount: &Mount| {
        let source = match &mount.source {
            Source::Bind(path) => path.display().to_string(),
            Source::Volume { name, anonymous: false } => name.clone(),
            Source::Volume { .. } | Source::Tmpfs(_) => return None,
        };
        let mut words: Vec<&str> = Vec::new();
        words.extend(mount.read_only.then_some("ro"));
        words.extend(mount.propagation.as_deref());
        words.extend(mount.no_copy.then_some("nocopy"));
        let words = if words.is_empty() { String::new() } else { format!(":{}", words.join(",")) };
        Some(format!("{source}:{}{words}", mount.destination.display()))
    };
    let binds: Vec<String> = mounts.iter().filter_map(bind).collect();
    (!binds.is_empty()).then_some(binds)
}

/// `/scratch` with its options
pub(super) fn tmpfs(mounts: &[Mount]) -> BTreeMap<String, String> {
    let tmpfs = |mount: &Mount| match &mount.source {
        Source::Tmpfs(options) => {
            Some((mount.destination.display().to_string(), options.join(",")))
        }
        _ => None,
    };
    mounts.iter().filter_map(tmpfs).collect()
}

/// `c 10:200 rwm`
pub(super) fn device_rules(record: &Record) -> Vec<String> {
    let number = |it: Option<i64>| it.map_or_else(|| "*".to_owned(), |it| it.to_string());
    let rules = record.options.device_rules.iter();
    rules
        .map(|it| format!("{} {}:{} {}", it.kind, number(it.major), number(it.minor), it.access))
        .collect()
}

/// Whose shared memory.
pub(super) fn ipc(mode: &IpcMode) -> String {
    match mode {
        IpcMode::Private => "private".into(),
        IpcMode::Shareable => "shareable".into(),
        IpcMode::None => "none".into(),
        IpcMode::Host => "host".into(),
        IpcMode::Container(id) => format!("container:{id}"),
    }
}

/// Whose processes.
pub(super) fn pid(mode: &PidMode) -> String {
    match mode {
        PidMode::Private => String::new(),
        PidMode::Host => "host".into(),
        PidMode::Container(id) => format!("container:{id}"),
    }
}

/// As they were typed, but for a profile, which is its text.
pub(super) fn security(security: &Security) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    words.extend(security.no_new_privileges.then(|| "no-new-privileges".into()));
    match &security.seccomp {
        SeccompMode::Default => {}
        SeccompMode::Unconfined => words.push("seccomp=unconfined".into()),
        SeccompMode::Profile(json) => words.push(format!("seccomp={json}")),
    }
    words.extend(security.apparmor.iter().map(|it| format!("apparmor={it}")));
    words.extend(security.labels.iter().map(|it| format!("label={it}")));
    words.extend(security.system_paths_unconfined.then(|| "systempaths=unconfined".into()));
    (!words.is_empty()).then_some(words)
}
