//! HostConfig: the part of `inspect` that says what `run` was asked for, in Docker's names.

use mini_docker::container::{
    DeviceRate, IpcMode, Limits, LogDriver, PidMode, Record, SeccompMode, Security, Source,
};
use serde_json::{Value, json};

use super::network_settings;

/// What a container was asked to be.
pub fn host_config(record: &Record) -> Value {
    let options = &record.options;
    let mut config = json!({
        "Annotations": options.annotations,
        "AutoRemove": options.remove,
        "Binds": binds(record),
        "CapAdd": options.security.cap_add,
        "CapDrop": options.security.cap_drop,
        "CgroupParent": options.cgroup_parent.as_deref().unwrap_or_default(),
        "CgroupnsMode": if options.namespaces.host_cgroup { "host" } else { "private" },
        "ContainerIDFile": options.cid_file.as_deref().unwrap_or_default(),
        "DeviceCgroupRules": device_rules(record),
        "Devices": devices(record),
        "GroupAdd": options.groups,
        "Init": options.init.then_some(true),
        "IpcMode": ipc(&options.namespaces.ipc),
        "LogConfig": {
            "Type": match options.log.driver {
                LogDriver::JsonFile => "json-file", LogDriver::None => "none",
            },
            "Config": options.log.written,
        },
        "MaskedPaths": paths(&options.security, &mini_runc::defaults::MASKED_PATHS),
        "NetworkMode": network_settings::mode(record),
        "OomScoreAdj": options.oom_score_adj.unwrap_or(0),
        "PidMode": pid(&options.namespaces.pid),
        "Privileged": options.security.privileged,
        "ReadonlyPaths": paths(&options.security, &mini_runc::defaults::READONLY_PATHS),
        "ReadonlyRootfs": options.security.read_only,
        "RestartPolicy": {
            "Name": options.restart.name(), "MaximumRetryCount": options.restart.most(),
        },
        "Runtime": options.runtime.as_deref().unwrap_or("mini-runc"),
        "SecurityOpt": security_options(&options.security),
        "ShmSize": options.shm_size.unwrap_or(64 << 20),
        "Sysctls": options.sysctls,
        "Tmpfs": tmpfs(record),
        "UTSMode": if options.namespaces.host_uts { "host" } else { "" },
        "Ulimits": ulimits(record),
        "UsernsMode": "",
        "VolumeDriver": "",
    });
    if let (Some(config), Value::Object(limits)) = (config.as_object_mut(), limits(&options.limits))
    {
        config.extend(limits);
    }
    config
}

fn limits(limits: &Limits) -> Value {
    let io = &limits.block_io;
    // `--cpus` is kept as it was said, not as the quota that it is.
    let said_as_cpus = limits.nano_cpus.is_some();
    let quota = limits.cpu_quota_us.filter(|_| !said_as_cpus);
    let period = limits.cpu_period_us.filter(|_| !said_as_cpus);
    let twice = || limits.memory.map_or(0, |memory| memory.saturating_mul(2));
    json!({
        "BlkioWeight": io.weight.unwrap_or(0),
        "BlkioWeightDevice": rates(&io.weight_device, "Weight"),
        "BlkioDeviceReadBps": rates(&io.read_bps, "Rate"),
        "BlkioDeviceReadIOps": rates(&io.read_iops, "Rate"),
        "BlkioDeviceWriteBps": rates(&io.write_bps, "Rate"),
        "BlkioDeviceWriteIOps": rates(&io.write_iops, "Rate"),
        "CpuPeriod": period.unwrap_or(0),
        "CpuQuota": quota.unwrap_or(0),
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.as_deref().unwrap_or_default(),
        "CpusetMems": limits.cpuset_mems.as_deref().unwrap_or_default(),
        "Memory": limits.memory.unwrap_or(0),
        "MemoryReservation": limits.memory_reservation.unwrap_or(0),
        "MemorySwap": limits.memory_swap.unwrap_or_else(twice),
        "MemorySwappiness": limits.memory_swappiness,
        "NanoCpus": limits.nano_cpus.unwrap_or(0),
        "OomKillDisable": limits.oom_kill_disable,
        "PidsLimit": limits.pids,
    })
}

fn rates(rates: &[DeviceRate], name: &str) -> Vec<Value> {
    rates.iter().map(|it| json!({ "Path": it.device, name: it.rate })).collect()
}

/// Docker's text of each directory or named volume.
fn binds(record: &Record) -> Vec<String> {
    let text = |mount: &mini_docker::container::Mount| {
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
    record.options.mounts.iter().filter_map(text).collect()
}

fn tmpfs(record: &Record) -> Value {
    let mounts = record.options.mounts.iter();
    let tmpfs = mounts.filter_map(|mount| match &mount.source {
        Source::Tmpfs(options) => {
            Some((mount.destination.display().to_string(), options.join(",")))
        }
        _ => None,
    });
    let all: serde_json::Map<String, Value> = tmpfs.map(|(path, it)| (path, json!(it))).collect();
    Value::Object(all)
}

fn devices(record: &Record) -> Vec<Value> {
    let device = |it: &mini_docker::container::DeviceUse| {
        json!({
            "PathOnHost": it.host, "PathInContainer": it.inside, "CgroupPermissions": it.access,
        })
    };
    record.options.devices.iter().map(device).collect()
}

fn device_rules(record: &Record) -> Vec<String> {
    let number = |it: Option<i64>| it.map_or_else(|| "*".to_owned(), |it| it.to_string());
    let rules = record.options.device_rules.iter();
    rules
        .map(|it| format!("{} {}:{} {}", it.kind, number(it.major), number(it.minor), it.access))
        .collect()
}

fn ulimits(record: &Record) -> Vec<Value> {
    let number = |it: u64| i64::try_from(it).unwrap_or(-1);
    let ulimits = record.options.ulimits.iter();
    ulimits
        .map(|it| json!({ "Name": it.name, "Soft": number(it.soft), "Hard": number(it.hard) }))
        .collect()
}

fn ipc(mode: &IpcMode) -> String {
    match mode {
        IpcMode::Private => "private".into(),
        IpcMode::Shareable => "shareable".into(),
        IpcMode::None => "none".into(),
        IpcMode::Host => "host".into(),
        IpcMode::Container(id) => format!("container:{id}"),
    }
}

fn pid(mode: &PidMode) -> String {
    match mode {
        PidMode::Private => String::new(),
        PidMode::Host => "host".into(),
        PidMode::Container(id) => format!("container:{id}"),
    }
}

fn paths(security: &Security, paths: &[&str]) -> Value {
    match security.privileged || security.system_paths_unconfined {
        true => Value::Null,
        false => json!(paths),
    }
}

/// As they were typed, but for a profile, which is its text.
fn security_options(security: &Security) -> Value {
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
    if words.is_empty() { Value::Null } else { json!(words) }
}
