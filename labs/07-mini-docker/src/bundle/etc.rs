//! /etc/hosts, /etc/hostname and /etc/resolv.conf: three files that belong to a container and not
//! to its image.

use std::{fmt::Write as _, fs, net::IpAddr};

use ground::{Error, Result};

use super::Found;
use crate::{
    container::{Connection, Network, Record},
    layout::{ContainerLayout, Layout},
};

const LOCAL: &str = "127.0.0.1\tlocalhost\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n\
                     fe00::\tip6-localnet\n\
                     ff00::\tip6-mcastprefix\n\
                     ff02::1\tip6-allnodes\n\
                     ff02::2\tip6-allrouters\n";

/// Writes the three files into the bundle, where the mounts take them from.
pub fn write(record: &Record, layout: &Layout, found: &Found) -> Result<()> {
    let container = layout.container(&record.id);
    let hostname = super::hostname(record, &found.host_name);
    let host = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let hostname = hostname.map(|name| name + "\n").unwrap_or_default();
    let (hosts, hostname, resolv_conf) = match record.options.network {
        Network::Host => {
            let mut hosts = host("/etc/hosts");
            let local =
                Neighbourhood { gateway: Some([127, 0, 0, 1].into()), ..Default::default() };
            extra_hosts(&mut hosts, &record.options.connection, &local);
            let resolv_conf = resolv_conf(&record.options.connection, None);
            (hosts, host("/etc/hostname"), resolv_conf)
        }
        // Nobody can be asked for a name without a network; with one, it is not known yet who.
        _ => (LOCAL.to_owned(), hostname, String::new()),
    };
    for (name, text) in [("hosts", hosts), ("hostname", hostname), ("resolv.conf", resolv_conf)] {
        write_one(&container, name, &text)?;
    }
    Ok(())
}

/// Who is around a container in its networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbourhood {
    /// Its own addresses.
    pub own: Vec<IpAddr>,
    /// Others that it has names for: `(address, names)`.
    pub others: Vec<(IpAddr, String)>,
    /// The host, as it sees it.
    pub gateway: Option<IpAddr>,
    /// Who answers for names; those whom the host asks if none.
    pub resolver: Option<IpAddr>,
}

/// Writes the names anew. The files keep their inodes, so a container that runs sees it.
///
/// # Errors
/// As write(2).
pub fn write_names(record: &Record, layout: &Layout, around: &Neighbourhood) -> Result<()> {
    let container = layout.container(&record.id);
    let connection = &record.options.connection;
    let mut hosts = LOCAL.to_owned();
    extra_hosts(&mut hosts, connection, around);
    for (address, names) in &around.others {
        let _ = writeln!(hosts, "{address}\t{names}");
    }
    if let Some(name) = super::hostname(record, "localhost") {
        // The name alone is the short form of one with a domain.
        let short = name.split_once('.').map(|(short, _)| format!(" {short}")).unwrap_or_default();
        for address in &around.own {
            let _ = writeln!(hosts, "{address}\t{name}{short}");
        }
    }
    write_one(&container, "hosts", &hosts)?;
    write_one(&container, "resolv.conf", &resolv_conf(connection, around.resolver))
}

fn extra_hosts(hosts: &mut String, connection: &Connection, around: &Neighbourhood) {
    for extra in &connection.extra_hosts {
        if let Some(address) = extra.address.or(around.gateway) {
            let _ = writeln!(hosts, "{address}\t{}", extra.name);
        }
    }
}

/// Where systemd-resolved writes whom it asks itself, while resolv.conf names only it.
const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// Whom this host asks for names.
pub fn name_servers() -> Vec<IpAddr> {
    let read = |path: &str| parse(&fs::read_to_string(path).unwrap_or_default(), "nameserver");
    let addresses = |words: Vec<String>| -> Vec<IpAddr> {
        words.iter().filter_map(|word| word.split('%').next()?.parse().ok()).collect()
    };
    let here = addresses(read("/etc/resolv.conf"));
    match here.iter().all(IpAddr::is_loopback) {
        true => [addresses(read(BEHIND_RESOLVED)), here].concat(),
        false => here,
    }
}

/// The words of one kind of line.
fn parse(text: &str, keyword: &str) -> Vec<String> {
    let words = text.lines().filter_map(|line| line.trim().strip_prefix(keyword));
    let words = words.filter(|rest| rest.starts_with([' ', '\t']));
    words.flat_map(|rest| rest.split_whitespace().map(str::to_owned)).collect()
}

/// The text of resolv.conf(5): what was asked for before what the host has.
fn resolv_conf(connection: &Connection, resolver: Option<IpAddr>) -> String {
    let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let or_host = |own: &[String], keyword| match own.is_empty() {
        true => parse(&host, keyword),
        // A lone dot means none.
        false => own.iter().filter(|word| *word != ".").cloned().collect(),
    };
    let servers = match resolver {
        Some(resolver) => vec![resolver],
        None if !connection.dns.is_empty() => connection.dns.clone(),
        None => name_servers(),
    };
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    let search = or_host(&connection.dns_search, "search");
    let mut options = or_host(&connection.dns_options, "options");
    if resolver.is_some() && !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0".into());
    }
    for (keyword, words) in [("search", search), ("options", options)] {
        if !words.is_empty() {
            let _ = writeln!(text, "{keyword} {}", words.join(" "));
        }
    }
    text
}

fn write_one(container: &ContainerLayout, name: &str, text: &str) -> Result<()> {
    let path = container.bundle().join(name);
    fs::write(&path, text)
        .map_err(|error| Error::new("cannot write the bundle").io(path.display(), &error))
}
