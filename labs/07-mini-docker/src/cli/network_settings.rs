//! The networks of a container, in the shape of Docker's `inspect`.

use mini_docker::{
    container::{Network, Record},
    network::{Attachment, Endpoint, Ledger},
};
use serde_json::{Map, Value, json};

use super::{network::mac, port};

/// `.NetworkSettings`
pub fn value(ledger: &Ledger, record: &Record) -> Value {
    let mut networks = Map::new();
    for attachment in &record.options.connection.attachments {
        networks.insert(attachment.network.clone(), one(ledger, record, attachment));
    }
    match record.options.network {
        Network::None => drop(networks.insert("none".into(), json!({}))),
        Network::Host => drop(networks.insert("host".into(), json!({}))),
        Network::Bridge | Network::Container(_) => {}
    }
    let default = networks.get("bridge").cloned().unwrap_or_else(|| json!({}));
    let sandbox = record.state.pid.map(|pid| format!("/proc/{pid}/ns/net")).unwrap_or_default();
    let of_default = |name: &str| default.get(name).cloned().unwrap_or_else(|| json!(""));
    let number = |name: &str| default.get(name).cloned().unwrap_or_else(|| json!(0));
    json!({
        "Bridge": "", "SandboxKey": sandbox, "Ports": port::value(ledger, record),
        "EndpointID": of_default("EndpointID"), "Gateway": of_default("Gateway"),
        "IPAddress": of_default("IPAddress"), "IPPrefixLen": number("IPPrefixLen"),
        "MacAddress": of_default("MacAddress"), "IPv6Gateway": of_default("IPv6Gateway"),
        "GlobalIPv6Address": of_default("GlobalIPv6Address"),
        "GlobalIPv6PrefixLen": number("GlobalIPv6PrefixLen"),
        "Networks": networks,
    })
}

/// `.NetworkSettings.Networks.NAME`
fn one(ledger: &Ledger, record: &Record, attachment: &Attachment) -> Value {
    let network = ledger.networks.iter().find(|it| it.name == attachment.network);
    let endpoint = network
        .and_then(|network| ledger.of_container(&record.id).find(|it| it.network == network.id));
    let address = |ipv6: bool| {
        let own = endpoint.and_then(|it| it.addresses().find(|ip| ip.is_ipv6() == ipv6));
        own.map(|it| it.to_string()).unwrap_or_default()
    };
    let pool =
        |ipv6: bool| network.filter(|_| !address(ipv6).is_empty()).and_then(|it| it.pool(ipv6));
    let gateway = |ipv6: bool| pool(ipv6).map(|it| it.gateway.to_string()).unwrap_or_default();
    let length = |ipv6: bool| pool(ipv6).map_or(0, |it| it.subnet.prefix_len());
    json!({
        "IPAMConfig": config(attachment), "Links": links(attachment),
        "Aliases": attachment.aliases,
        "MacAddress": endpoint.map(|it| mac(it.mac)).unwrap_or_default(),
        "NetworkID": network.map(|it| it.id.as_str()).unwrap_or_default(),
        "EndpointID": endpoint.map(|it: &Endpoint| it.id.as_str()).unwrap_or_default(),
        "Gateway": gateway(false), "IPAddress": address(false), "IPPrefixLen": length(false),
        "IPv6Gateway": gateway(true), "GlobalIPv6Address": address(true),
        "GlobalIPv6PrefixLen": length(true),
        "DNSNames": dns_names(record, attachment),
    })
}

fn config(attachment: &Attachment) -> Value {
    let mut config = Map::new();
    if let Some(ip) = attachment.ipv4 {
        config.insert("IPv4Address".into(), json!(ip));
    }
    if let Some(ip) = attachment.ipv6 {
        config.insert("IPv6Address".into(), json!(ip));
    }
    if config.is_empty() { Value::Null } else { config.into() }
}

fn links(attachment: &Attachment) -> Value {
    let texts = attachment.links.iter().map(|link| format!("{}:{}", link.target, link.alias));
    if attachment.links.is_empty() { Value::Null } else { texts.collect() }
}

/// The names that others in the network may ask for; the default one has none.
fn dns_names(record: &Record, attachment: &Attachment) -> Value {
    if attachment.network == mini_docker::network::DEFAULT {
        return Value::Null;
    }
    let mut names = vec![record.name.clone()];
    names.extend(attachment.aliases.iter().cloned());
    names.push(record.short_id().to_owned());
    json!(names)
}

/// `.HostConfig.NetworkMode`
pub fn mode(record: &Record) -> String {
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
