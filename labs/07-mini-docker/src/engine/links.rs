//! links: what a container knows about another one through `--link`, in the default network.
//!
//! There the names are in /etc/hosts, and addresses and ports in the environment, as they were at
//! the start. In a network that somebody made a link is a further name by DNS, and nothing else.

use std::net::IpAddr;

use ground::{Error, Result};

use super::plug::exposed;
use crate::{
    container::{Found, Network, Record, Status, find},
    layout::Layout,
    network::{DEFAULT, Ledger, Link, ledger},
};

/// The links of a container in the default network.
fn links(record: &Record) -> &[Link] {
    let mut attachments = record.options.connection.attachments.iter();
    let default = attachments.find(|attachment| attachment.network == DEFAULT);
    default.filter(|_| record.options.network == Network::Bridge).map_or(&[], |it| &it.links)
}

/// The container that a link means, and its address in the default network.
fn other(layout: &Layout, ledger: &Ledger, link: &Link) -> Result<Option<(Record, IpAddr)>> {
    let Found::One(other) = find(layout, &link.target)? else { return Ok(None) };
    let default = ledger.networks.iter().find(|network| network.is_default());
    let endpoint = default.and_then(|network| {
        ledger.of_container(&other.id).find(|endpoint| endpoint.network == network.id)
    });
    let address = endpoint.and_then(|endpoint| endpoint.addresses().next());
    Ok(address.map(|address| (*other, address)))
}

/// The lines of /etc/hosts: alias, ID and name.
///
/// # Errors
/// A record that cannot be read.
pub(super) fn hosts(
    layout: &Layout,
    ledger: &Ledger,
    record: &Record,
) -> Result<Vec<(IpAddr, String)>> {
    let mut lines = Vec::new();
    for link in links(record) {
        if let Some((other, address)) = other(layout, ledger, link)? {
            let mut names = vec![link.alias.as_str(), other.short_id()];
            names.extend((other.name != link.alias).then_some(other.name.as_str()));
            lines.push((address, names.join(" ")));
        }
    }
    Ok(lines)
}

/// The variables: `DB_PORT_5432_TCP_ADDR=172.17.0.2` and its like.
///
/// # Errors
/// A container that is linked to and does not run.
pub(super) fn environment(layout: &Layout, record: &Record) -> Result<Vec<String>> {
    let links = links(record);
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let ledger = ledger::read(layout)?;
    let mut variables = Vec::new();
    for link in links {
        let found = other(layout, &ledger, link)?;
        let running = found.filter(|(other, _)| other.state.status == Status::Running);
        let Some((other, address)) = running else {
            return Err(Error::new(format!(
                "Cannot link to a non running container: /{} AS /{}/{}",
                link.target, record.name, link.alias
            ))
            .why("its address is written into the new container, so it has to have one")
            .fix(format!("start it first: mini-docker start {}", link.target)));
        };
        variables.extend(variables_of(record, link, &other, address));
    }
    Ok(variables)
}

fn variables_of(record: &Record, link: &Link, other: &Record, address: IpAddr) -> Vec<String> {
    let prefix = link.alias.to_ascii_uppercase().replace('-', "_");
    let mut variables = Vec::new();
    let ports = exposed(other);
    if let Some(first) = ports.first() {
        let (number, protocol) = (first.number, first.protocol);
        variables.push(format!("{prefix}_PORT={protocol}://{address}:{number}"));
    }
    for port in ports {
        let (number, protocol) = (port.number, port.protocol);
        let name = format!("{prefix}_PORT_{number}_{}", protocol.to_string().to_uppercase());
        variables.push(format!("{name}={protocol}://{address}:{number}"));
        variables.push(format!("{name}_ADDR={address}"));
        variables.push(format!("{name}_PORT={number}"));
        variables.push(format!("{name}_PROTO={protocol}"));
    }
    variables.push(format!("{prefix}_NAME=/{}/{}", record.name, link.alias));
    let skipped = ["PATH=", "HOME=", "HOSTNAME="];
    for entry in other.config.env.iter().flatten() {
        if !skipped.iter().any(|name| entry.starts_with(name)) {
            variables.push(format!("{prefix}_ENV_{entry}"));
        }
    }
    variables
}
