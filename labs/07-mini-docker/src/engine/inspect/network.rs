//! `.NetworkSettings`: where a container can be reached.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

use super::host_config::PortBinding;
use crate::{
    container::Record,
    engine::{Address, Connections, Engine, Joined},
    network::{Attachment, DEFAULT},
};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    bridge: String,
    #[serde(rename = "SandboxID")]
    sandbox_id: String,
    sandbox_key: String,
    ports: BTreeMap<String, Option<Vec<PortBinding>>>,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local_ipv6_address: String,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_ipv6_prefix_len: u8,
    #[serde(rename = "SecondaryIPAddresses")]
    secondary_ip_addresses: Option<Vec<String>>,
    #[serde(rename = "SecondaryIPv6Addresses")]
    secondary_ipv6_addresses: Option<Vec<String>>,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: String,
    mac_address: String,
    networks: BTreeMap<String, EndpointSettings>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EndpointSettings {
    #[serde(rename = "IPAMConfig")]
    ipam_config: Option<BTreeMap<String, String>>,
    links: Option<Vec<String>>,
    aliases: Option<Vec<String>>,
    mac_address: String,
    driver_opts: Option<BTreeMap<String, String>>,
    gw_priority: i64,
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    gateway: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    #[serde(rename = "DNSNames")]
    dns_names: Option<Vec<String>>,
}

pub(super) fn document(engine: &Engine, record: &Record) -> NetworkSettings {
    let connections = engine.connections(record);
    let networks: BTreeMap<_, _> =
        connections.networks.iter().map(|it| (it.name.clone(), endpoint(it, record))).collect();
    // The old fields speak of the default network alone.
    let default = connections.networks.iter().find(|it| it.name == DEFAULT);
    let first = default.map(|it| endpoint(it, record)).unwrap_or_default();
    let namespace = record.state.pid.map(|pid| format!("/proc/{pid}/ns/net"));
    NetworkSettings {
        bridge: String::new(),
        sandbox_id: record.state.pid.map(|_| record.id.clone()).unwrap_or_default(),
        sandbox_key: namespace.unwrap_or_default(),
        ports: ports(&connections),
        hairpin_mode: false,
        link_local_ipv6_address: String::new(),
        link_local_ipv6_prefix_len: 0,
        secondary_ip_addresses: None,
        secondary_ipv6_addresses: None,
        endpoint_id: first.endpoint_id,
        gateway: first.gateway,
        global_ipv6_address: first.global_ipv6_address,
        global_ipv6_prefix_len: first.global_ipv6_prefix_len,
        ip_address: first.ip_address,
        ip_prefix_len: first.ip_prefix_len,
        ipv6_gateway: first.ipv6_gateway,
        mac_address: first.mac_address,
        networks,
    }
}

fn endpoint(joined: &Joined, record: &Record) -> EndpointSettings {
    let text = |address: Option<Address>, part: fn(Address) -> IpAddr| {
        address.map(|it| part(it).to_string()).unwrap_or_default()
    };
    let length = |address: Option<Address>| address.map_or(0, |it| it.length);
    let attachment = joined.attachment.as_ref();
    EndpointSettings {
        ipam_config: attachment.and_then(ipam_config),
        links: attachment.filter(|it| !it.links.is_empty()).map(|it| {
            it.links.iter().map(|link| format!("{}:{}", link.target, link.alias)).collect()
        }),
        aliases: attachment.map(|it| it.aliases.clone()),
        mac_address: joined.mac.map(mac).unwrap_or_default(),
        driver_opts: None,
        gw_priority: 0,
        network_id: joined.id.clone(),
        endpoint_id: joined.endpoint.clone(),
        gateway: text(joined.ipv4, |it| it.gateway),
        ip_address: text(joined.ipv4, |it| it.own),
        ip_prefix_len: length(joined.ipv4),
        ipv6_gateway: text(joined.ipv6, |it| it.gateway),
        global_ipv6_address: text(joined.ipv6, |it| it.own),
        global_ipv6_prefix_len: length(joined.ipv6),
        dns_names: attachment.and_then(|it| dns_names(record, it)),
    }
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// The addresses that were asked for.
fn ipam_config(attachment: &Attachment) -> Option<BTreeMap<String, String>> {
    let ipv4 = attachment.ipv4.map(|ip| ("IPv4Address".to_owned(), ip.to_string()));
    let ipv6 = attachment.ipv6.map(|ip| ("IPv6Address".to_owned(), ip.to_string()));
    let config: BTreeMap<_, _> = ipv4.into_iter().chain(ipv6).collect();
    (!config.is_empty()).then_some(config)
}

/// The names that others in the network may ask for; the default one has none.
fn dns_names(record: &Record, attachment: &Attachment) -> Option<Vec<String>> {
    let aliases = attachment.aliases.iter().cloned();
    let names = [record.name.clone()].into_iter().chain(aliases);
    (attachment.network != DEFAULT).then(|| names.chain([record.short_id().to_owned()]).collect())
}

/// `80/tcp` with what of the host leads there, or `null`.
fn ports(connections: &Connections) -> BTreeMap<String, Option<Vec<PortBinding>>> {
    let mut all: BTreeMap<String, Option<Vec<PortBinding>>> = BTreeMap::new();
    for port in &connections.ports {
        let bindings = all.entry(format!("{}/{}", port.private, port.protocol)).or_default();
        if let (Some(ip), Some(public)) = (port.ip, port.public) {
            let binding = PortBinding { host_ip: ip.to_string(), host_port: public.to_string() };
            bindings.get_or_insert_default().push(binding);
        }
    }
    all
}
