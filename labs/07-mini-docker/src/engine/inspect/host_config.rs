//! `.HostConfig`: what was asked for and has to do with the machine.

mod words;

use std::collections::BTreeMap;

use mini_runc::defaults;
use serde::Serialize;
use template::OmitEmpty;

use crate::container::{Connection, DeviceRate as Rate, DeviceUse, LogDriver, Record};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HostConfig {
    binds: Option<Vec<String>>,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: String,
    log_config: LogConfig,
    network_mode: String,
    port_bindings: BTreeMap<String, Vec<PortBinding>>,
    restart_policy: RestartPolicy,
    auto_remove: bool,
    volume_driver: String,
    volumes_from: Option<Vec<String>>,
    console_size: [u16; 2],
    cap_add: Option<Vec<String>>,
    cap_drop: Option<Vec<String>>,
    cgroupns_mode: &'static str,
    dns: Vec<String>,
    dns_options: Vec<String>,
    dns_search: Vec<String>,
    extra_hosts: Option<Vec<String>>,
    group_add: Option<Vec<String>>,
    ipc_mode: String,
    cgroup: String,
    links: Option<Vec<String>>,
    oom_score_adj: i32,
    pid_mode: String,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    security_opt: Option<Vec<String>>,
    tmpfs: OmitEmpty<BTreeMap<String, String>>,
    #[serde(rename = "UTSMode")]
    uts_mode: &'static str,
    userns_mode: String,
    shm_size: u64,
    sysctls: OmitEmpty<BTreeMap<String, String>>,
    runtime: String,
    isolation: String,
    cpu_shares: u64,
    memory: i64,
    nano_cpus: u64,
    cgroup_parent: String,
    blkio_weight: u16,
    blkio_weight_device: Vec<DeviceWeight>,
    blkio_device_read_bps: Vec<DeviceRate>,
    blkio_device_write_bps: Vec<DeviceRate>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    blkio_device_read_iops: Vec<DeviceRate>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    blkio_device_write_iops: Vec<DeviceRate>,
    cpu_period: u64,
    cpu_quota: i64,
    cpu_realtime_period: i64,
    cpu_realtime_runtime: i64,
    cpuset_cpus: String,
    cpuset_mems: String,
    devices: Vec<Device>,
    device_cgroup_rules: Option<Vec<String>>,
    device_requests: Option<Vec<String>>,
    memory_reservation: i64,
    memory_swap: i64,
    memory_swappiness: Option<u64>,
    oom_kill_disable: bool,
    pids_limit: Option<i64>,
    ulimits: Vec<Ulimit>,
    cpu_count: i64,
    cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    io_maximum_iops: i64,
    #[serde(rename = "IOMaximumBandwidth")]
    io_maximum_bandwidth: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    annotations: OmitEmpty<BTreeMap<String, String>>,
    masked_paths: Option<Vec<&'static str>>,
    readonly_paths: Option<Vec<&'static str>>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogConfig {
    r#type: &'static str,
    config: BTreeMap<String, String>,
}

/// A port of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PortBinding {
    pub host_ip: String,
    pub host_port: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    name: &'static str,
    maximum_retry_count: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceRate {
    path: String,
    rate: u64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceWeight {
    path: String,
    weight: u64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Device {
    path_on_host: String,
    path_in_container: String,
    cgroup_permissions: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    hard: i64,
    soft: i64,
}

/// /dev/shm where nothing is said, in bytes.
const SHM_SIZE: u64 = 64 << 20;

pub(super) fn document(record: &Record) -> HostConfig {
    let options = &record.options;
    let (limits, security) = (&options.limits, &options.security);
    let connection = &options.connection;
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let is_hidden = !security.privileged && !security.system_paths_unconfined;
    let shown = |paths: &[&'static str]| is_hidden.then(|| paths.to_vec());
    let io = &limits.block_io;
    // `--cpus` is kept as it was said, not as the quota that it is.
    let is_quota = limits.nano_cpus.is_none();
    HostConfig {
        binds: words::binds(&options.mounts),
        container_id_file: options.cid_file.clone().unwrap_or_default(),
        log_config: log_config(record),
        network_mode: words::network(record),
        port_bindings: port_bindings(connection),
        restart_policy: RestartPolicy {
            name: options.restart.name(),
            maximum_retry_count: options.restart.most(),
        },
        auto_remove: options.remove,
        volume_driver: options.volume_driver.clone().unwrap_or_default(),
        volumes_from: None,
        console_size: options.console_size.map_or([0, 0], |size| [size.height, size.width]),
        cap_add: some(&security.cap_add),
        cap_drop: some(&security.cap_drop),
        cgroupns_mode: if options.namespaces.host_cgroup { "host" } else { "private" },
        dns: connection.dns.iter().map(ToString::to_string).collect(),
        dns_options: connection.dns_options.clone(),
        dns_search: connection.dns_search.clone(),
        extra_hosts: words::extra_hosts(connection),
        group_add: some(&options.groups),
        ipc_mode: words::ipc(&options.namespaces.ipc),
        cgroup: String::new(),
        links: None,
        oom_score_adj: options.oom_score_adj.unwrap_or(0),
        pid_mode: words::pid(&options.namespaces.pid),
        privileged: security.privileged,
        publish_all_ports: connection.publish_all,
        readonly_rootfs: security.read_only,
        security_opt: words::security(security),
        tmpfs: OmitEmpty(words::tmpfs(&options.mounts)),
        uts_mode: if options.namespaces.host_uts { "host" } else { "" },
        userns_mode: String::new(),
        shm_size: options.shm_size.unwrap_or(SHM_SIZE),
        sysctls: OmitEmpty(options.sysctls.clone()),
        runtime: options.runtime.clone().unwrap_or_else(|| crate::runtime::OWN_NAME.to_owned()),
        isolation: options.isolation.clone().unwrap_or_default(),
        cpu_shares: limits.cpu_shares.unwrap_or(0),
        memory: limits.memory.unwrap_or(0),
        nano_cpus: limits.nano_cpus.unwrap_or(0),
        cgroup_parent: options.cgroup_parent.clone().unwrap_or_default(),
        blkio_weight: io.weight.unwrap_or(0),
        blkio_weight_device: weights(&io.weight_device),
        blkio_device_read_bps: rates(&io.read_bps),
        blkio_device_write_bps: rates(&io.write_bps),
        blkio_device_read_iops: rates(&io.read_iops),
        blkio_device_write_iops: rates(&io.write_iops),
        cpu_period: limits.cpu_period_us.filter(|_| is_quota).unwrap_or(0),
        cpu_quota: limits.cpu_quota_us.filter(|_| is_quota).unwrap_or(0),
        cpu_realtime_period: 0,
        cpu_realtime_runtime: 0,
        cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
        devices: devices(record),
        device_cgroup_rules: some(&words::device_rules(record)),
        device_requests: None,
        memory_reservation: limits.memory_reservation.unwrap_or(0),
        memory_swap: limits
            .memory_swap
            .unwrap_or(limits.memory.map_or(0, |memory| memory.saturating_mul(2))),
        memory_swappiness: limits.memory_swappiness,
        oom_kill_disable: limits.oom_kill_disable,
        pids_limit: limits.pids,
        ulimits: ulimits(record),
        cpu_count: 0,
        cpu_percent: 0,
        io_maximum_iops: 0,
        io_maximum_bandwidth: 0,
        init: options.init.then_some(true),
        annotations: OmitEmpty(options.annotations.clone()),
        masked_paths: shown(&defaults::MASKED_PATHS),
        readonly_paths: shown(&defaults::READONLY_PATHS),
    }
}

fn log_config(record: &Record) -> LogConfig {
    let log = &record.options.log;
    let r#type = match log.driver {
        LogDriver::JsonFile => "json-file",
        LogDriver::None => "none",
    };
    LogConfig { r#type, config: log.written.clone() }
}

/// What `-p` asked for.
fn port_bindings(connection: &Connection) -> BTreeMap<String, Vec<PortBinding>> {
    let mut all: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for publish in &connection.publish {
        let host_port = match publish.host_ports {
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
            None => String::new(),
        };
        let host_ip = publish.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        let binding = PortBinding { host_ip, host_port };
        all.entry(publish.port.to_string()).or_default().push(binding);
    }
    all
}

fn rates(rates: &[Rate]) -> Vec<DeviceRate> {
    let rate = |it: &Rate| DeviceRate { path: it.device.display().to_string(), rate: it.rate };
    rates.iter().map(rate).collect()
}

fn weights(rates: &[Rate]) -> Vec<DeviceWeight> {
    let weight =
        |it: &Rate| DeviceWeight { path: it.device.display().to_string(), weight: it.rate };
    rates.iter().map(weight).collect()
}

fn devices(record: &Record) -> Vec<Device> {
    let device = |it: &DeviceUse| Device {
        path_on_host: it.host.display().to_string(),
        path_in_container: it.inside.display().to_string(),
        cgroup_permissions: it.access.clone(),
    };
    record.options.devices.iter().map(device).collect()
}

fn ulimits(record: &Record) -> Vec<Ulimit> {
    let number = |it: u64| i64::try_from(it).unwrap_or(-1);
    let ulimits = record.options.ulimits.iter();
    ulimits
        .map(|it| Ulimit { name: it.name.clone(), hard: number(it.hard), soft: number(it.soft) })
        .collect()
}
