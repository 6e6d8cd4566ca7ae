//! Interfaces: what there is of a network in the namespace that this thread is in, read back.
//!
//! Three questions by netlink: which links, which addresses on them, which routes (man 7 rtnetlink;
//! what `ip addr` and `ip route` ask).

use std::net::IpAddr;

use ground::{Error, Result};
use ipnet::IpNet;
use netlink_packet_route::{
    RouteNetlinkMessage as Message,
    address::{AddressAttribute, AddressMessage},
    link::{LinkAttribute, LinkFlags, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType},
};
use nix::errno::Errno;
use serde::Serialize;

use super::netlink::Netlink;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// Its hardware address, if it has one.
    pub hardware: Option<String>,
    /// Its addresses with the length of their networks.
    pub addresses: Vec<IpNet>,
    /// The number of the other end of a veth pair, in whatever namespace that is.
    pub peer: Option<u32>,
    /// The number of the bridge that it is plugged into.
    pub master: Option<u32>,
}

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Packets for this network; `None` for all others.
    pub to: Option<IpNet>,
    /// Go to this machine; `None`: to their receiver.
    pub gateway: Option<IpAddr>,
    /// By this interface.
    pub interface: Option<String>,
}

/// All interfaces with their addresses.
///
/// # Errors
/// The kernel's.
pub fn interfaces() -> Result<Vec<Interface>> {
    let links = list(Message::GetLink(LinkMessage::default()), "RTM_GETLINK")?;
    let mut found: Vec<Interface> = links.into_iter().filter_map(interface).collect();
    for message in list(Message::GetAddress(AddressMessage::default()), "RTM_GETADDR")? {
        let Some((index, address)) = address(message) else { continue };
        if let Some(link) = found.iter_mut().find(|it| it.index == index) {
            link.addresses.push(address);
        }
    }
    Ok(found)
}

/// The routes to other machines, IPv4 first.
///
/// # Errors
/// The kernel's.
pub fn routes() -> Result<Vec<Route>> {
    let links = interfaces()?;
    let messages = list(Message::GetRoute(RouteMessage::default()), "RTM_GETROUTE")?;
    let mut routes: Vec<Route> = messages.into_iter().filter_map(|it| route(it, &links)).collect();
    routes
        .sort_by_key(|it| it.gateway.or(it.to.map(|to| to.addr())).is_some_and(|it| it.is_ipv6()));
    Ok(routes)
}

fn list(message: Message, name: &str) -> Result<Vec<Message>> {
    let cannot = |errno: Errno| {
        Error::new("cannot list what is in the network").call(name, errno).see("7 rtnetlink")
    };
    Netlink::open().and_then(|socket| socket.list(message)).map_err(cannot)
}

fn interface(message: Message) -> Option<Interface> {
    let Message::NewLink(message) = message else { return None };
    let mut link = Interface {
        index: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        mtu: None,
        hardware: None,
        addresses: Vec::new(),
        peer: None,
        master: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = Some(mtu),
            LinkAttribute::Address(bytes) if bytes.iter().any(|byte| *byte != 0) => {
                let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                link.hardware = Some(hex.join(":"));
            }
            LinkAttribute::Link(peer) => link.peer = Some(peer).filter(|it| *it != 0),
            LinkAttribute::Controller(master) => link.master = Some(master),
            _ => {}
        }
    }
    Some(link)
}

fn address(message: Message) -> Option<(u32, IpNet)> {
    let Message::NewAddress(message) = message else { return None };
    let of = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
        message.attributes.iter().find_map(wanted)
    };
    // With a partner, as on a tunnel, Address is the partner's.
    let local = of(|it| if let AddressAttribute::Local(it) = it { Some(*it) } else { None });
    let any = of(|it| if let AddressAttribute::Address(it) = it { Some(*it) } else { None });
    let net = IpNet::new(local.or(any)?, message.header.prefix_len).ok()?;
    Some((message.header.index, net))
}

fn route(message: Message, links: &[Interface]) -> Option<Route> {
    let Message::NewRoute(message) = message else { return None };
    // The kernel's own table has each address of ours in it: packets for us go nowhere.
    if message.header.kind != RouteType::Unicast
        || message.header.table != RouteHeader::RT_TABLE_MAIN
    {
        return None;
    }
    let length = message.header.destination_prefix_length;
    let mut route = Route { to: None, gateway: None, interface: None };
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => {
                route.to =
                    ip(&to).and_then(|to| IpNet::new(to, length).ok()).filter(|_| length > 0);
            }
            RouteAttribute::Gateway(gateway) => route.gateway = ip(&gateway),
            RouteAttribute::Oif(index) => {
                let link = links.iter().find(|it| it.index == index);
                route.interface = link.map(|it| it.name.clone());
            }
            _ => {}
        }
    }
    Some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(it) => Some(IpAddr::V4(*it)),
        RouteAddress::Inet6(it) => Some(IpAddr::V6(*it)),
        _ => None,
    }
}
