//! The flags about networks, as meant: text becomes types once, here.

use ground::{Error, Result};
use mini_docker::{
    container::{Connection, ExtraHost, Network},
    network::{Attachment, DEFAULT, Link, publish::exposed},
};

use super::network_args::NetworkFlags;

/// Which network a container sees, and how.
///
/// # Errors
/// Values that make no sense, alone or together.
pub fn connection(flags: &NetworkFlags, hostname: bool) -> Result<(Network, Connection)> {
    let networks = match flags.network.as_slice() {
        [] => vec![DEFAULT.to_owned()],
        networks => networks.to_vec(),
    };
    let first = networks.first().map_or(DEFAULT, String::as_str);
    let network = mode(first)?;
    if network != Network::Bridge && networks.len() > 1 {
        return Err(Error::new(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
        )
        .why(format!("{first} is no network that others could be added to"))
        .fix("name only networks of your own, or only one"));
    }
    check(&network, flags, hostname)?;
    let mut connection = Connection {
        publish: flags.publish.iter().flat_map(|it| it.0.clone()).collect(),
        publish_all: flags.publish_all,
        dns: flags.dns.clone(),
        dns_search: flags.dns_search.clone(),
        dns_options: flags.dns_option.clone(),
        extra_hosts: flags.add_host.iter().map(|it| extra_host(it)).collect::<Result<_>>()?,
        ..Connection::default()
    };
    for text in &flags.expose {
        connection.expose.extend(exposed(text)?);
    }
    if network == Network::Bridge {
        connection.attachments = attachments(&networks, flags)?;
    }
    Ok((network, connection))
}

fn mode(text: &str) -> Result<Network> {
    Ok(match text {
        "none" => Network::None,
        "host" => Network::Host,
        other => match other.strip_prefix("container:") {
            Some("") => {
                return Err(Error::new("invalid container format container:<name|id>")
                    .fix("write --network container:NAME"));
            }
            Some(name) => Network::Container(name.to_owned()),
            None => Network::Bridge,
        },
    })
}

/// What contradicts a network that belongs to somebody else, in Docker's words.
fn check(network: &Network, flags: &NetworkFlags, hostname: bool) -> Result<()> {
    let conflict = |what: &str| {
        Err(Error::new(format!("conflicting options: {what}"))
            .why("with another's network come its names, its ports and its addresses")
            .fix("leave one of the two options out"))
    };
    let own = matches!(network, Network::Bridge);
    if !own && !flags.link.is_empty() {
        return conflict("links are only supported for containers in bridge networks");
    }
    if !own && (flags.ip.is_some() || flags.ip6.is_some()) {
        return conflict("user specified IP address is supported on user defined networks only");
    }
    if !own && !flags.network_alias.is_empty() {
        return conflict(
            "network-scoped alias is supported only for containers in user defined networks",
        );
    }
    if !matches!(network, Network::Container(_)) {
        return Ok(());
    }
    let conflicts = [
        (hostname, "hostname and the network mode"),
        (!flags.dns.is_empty(), "dns and the network mode"),
        (!flags.add_host.is_empty(), "custom host-to-IP mapping and the network mode"),
        (flags.mac_address.is_some(), "mac-address and the network mode"),
        (
            !flags.publish.is_empty() || flags.publish_all,
            "port publishing and the container type network mode",
        ),
        (!flags.expose.is_empty(), "port exposing and the container type network mode"),
    ];
    match conflicts.into_iter().find(|(given, _)| *given) {
        Some((_, what)) => conflict(what),
        None => Ok(()),
    }
}

/// One for each network; the flags that have no network of their own are about the first.
fn attachments(networks: &[String], flags: &NetworkFlags) -> Result<Vec<Attachment>> {
    let mut attachments: Vec<Attachment> =
        networks.iter().map(|text| attachment(text)).collect::<Result<_>>()?;
    if let Some(first) = attachments.first_mut() {
        first.aliases.extend(flags.network_alias.iter().cloned());
        first.links = flags.link.iter().map(|text| link(text)).collect();
        first.ipv4 = flags.ip.or(first.ipv4);
        first.ipv6 = flags.ip6.or(first.ipv6);
        if let Some(text) = &flags.mac_address {
            first.mac = Some(mac(text)?);
        }
    }
    Ok(attachments)
}

/// `NAME`, or `name=NAME,alias=A,ip=IP`.
fn attachment(text: &str) -> Result<Attachment> {
    let mut attachment = Attachment::default();
    let invalid = |field: &str| {
        Error::new(format!("invalid field {field} in --network {text}"))
            .fix("write --network NAME, or name=NAME,alias=ALIAS,ip=IP,ip6=IP,mac-address=MAC")
    };
    if !text.contains('=') {
        attachment.network = if text == "default" { DEFAULT.to_owned() } else { text.to_owned() };
        return Ok(attachment);
    }
    for field in text.split(',') {
        let (name, value) = field.split_once('=').ok_or_else(|| invalid(field))?;
        match name {
            "name" => attachment.network = value.to_owned(),
            "alias" => attachment.aliases.push(value.to_owned()),
            "ip" => attachment.ipv4 = Some(value.parse().map_err(|_| invalid(field))?),
            "ip6" => attachment.ipv6 = Some(value.parse().map_err(|_| invalid(field))?),
            "mac-address" => attachment.mac = Some(mac(value)?),
            _ => return Err(invalid(field)),
        }
    }
    Ok(attachment)
}

/// `CONTAINER` or `CONTAINER:ALIAS`.
pub fn link(text: &str) -> Link {
    let (target, alias) = text.split_once(':').unwrap_or((text, text));
    Link { target: target.to_owned(), alias: alias.to_owned() }
}

fn mac(text: &str) -> Result<[u8; 6]> {
    let bytes: Option<Vec<u8>> =
        text.split([':', '-']).map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let bytes: Option<[u8; 6]> = bytes.and_then(|bytes| bytes.try_into().ok());
    // The first bit is for addresses of groups, which no interface has.
    bytes.filter(|bytes| bytes[0] & 1 == 0).ok_or_else(|| {
        Error::new(format!("{text} is not a valid mac address"))
            .why("six bytes in hexadecimal, and the first one even")
            .fix("write --mac-address 02:42:ac:11:00:02")
    })
}

/// `NAME:IP`, `NAME=IP` or `NAME:host-gateway`.
fn extra_host(text: &str) -> Result<ExtraHost> {
    let invalid = || {
        Error::new(format!("bad format for add-host: {text:?}"))
            .fix("write --add-host NAME:IP, or --add-host NAME:host-gateway")
    };
    let (name, address) = text.split_once(['=', ':']).ok_or_else(invalid)?;
    if name.is_empty() {
        return Err(invalid());
    }
    let address = match address {
        "host-gateway" => None,
        ip => Some(ip.trim_matches(['[', ']']).parse().map_err(|_| {
            Error::new(format!("invalid IP address in add-host: {ip:?}"))
                .fix("write --add-host NAME:IP, or --add-host NAME:host-gateway")
        })?),
    };
    Ok(ExtraHost { name: name.to_owned(), address })
}
