//! Links: bridges, pairs of virtual Ethernet devices, addresses and routes (man 4 veth; ip-link(8)).
//!
//! A veth pair is a cable with two ends. One end is plugged into a bridge, which is a switch made of
//! software; the other one is in the container's network namespace, where it is called `eth0`. An
//! end that goes takes the other one along, and both go with the namespace.

use std::{
    net::{IpAddr, Ipv6Addr},
    os::fd::AsRawFd,
};

use ground::{Error, Result};
use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage as Message,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{
        InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
        LinkFlags, LinkInfo, LinkMessage,
    },
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
        RouteType,
    },
};
use nix::{errno::Errno, net::if_::if_nametoindex};

use super::{netlink::Netlink, netns::Netns, parting::Parting};

/// The group that every store's bridges are in (ip-link(8), "group"): "md" as a number. Rules tell by
/// it what is ours, whichever store's, without knowing its name.
pub const GROUP: u32 = 0x6d64;

/// The interfaces, addresses and routes of one network namespace.
#[derive(Debug)]
pub struct Links(Netlink);

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What somebody noted on it.
    pub alias: Option<String>,
}

/// A bridge that is to be.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whose it is, for everybody to read.
    pub note: &'a str,
    /// Its hardware address. One that was not chosen is the lowest of those that are plugged in, and
    /// changes with them; then whoever knows the old one speaks to nobody for a while.
    pub mac: [u8; 6],
    /// The largest packet; the kernel's 1500 if none.
    pub mtu: Option<u32>,
}

/// A pair that is to be.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The end on the host.
    pub name: &'a str,
    /// The end inside.
    pub inside: &'a str,
    /// The hardware address of the end inside.
    pub mac: [u8; 6],
    /// The bridge that the host's end is plugged into.
    pub bridge: &'a str,
    /// The largest packet; the kernel's 1500 if none.
    pub mtu: Option<u32>,
}

impl Links {
    /// Those of the namespace that this thread is in.
    ///
    /// # Errors
    /// EMFILE.
    pub fn here() -> Result<Self> {
        Netlink::open().map(Self).map_err(|errno| {
            Error::new("cannot speak to the kernel about networks")
                .call("socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)", errno)
                .see("7 rtnetlink")
        })
    }

    /// All interfaces.
    ///
    /// # Errors
    /// The kernel's.
    pub fn all(&self) -> Result<Vec<Link>> {
        let listed = self.0.list(Message::GetLink(LinkMessage::default()));
        let messages =
            listed.map_err(|errno| refused("list the interfaces", "RTM_GETLINK", errno))?;
        Ok(messages.into_iter().filter_map(link).collect())
    }

    /// One interface.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(&self, name: &str) -> Result<Link> {
        let index = if_nametoindex(name).map_err(|errno| {
            Error::new(format!("there is no interface {name}")).call("if_nametoindex", errno).fix(
                "somebody has removed it: stop the containers of its network, and start them again",
            )
        })?;
        Ok(Link { index, name: name.to_owned(), alias: None })
    }

    /// One interface with what is noted on it, if it is there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn find(&self, name: &str) -> Result<Option<Link>> {
        Ok(self.all()?.into_iter().find(|link| link.name == name))
    }

    /// Makes a bridge and switches it on. Removed by [`Links::remove`].
    ///
    /// # Errors
    /// EEXIST: the name is taken; EPERM; EOPNOTSUPP: a kernel without bridges.
    pub fn add_bridge(&self, bridge: Bridge<'_>) -> Result<Link> {
        let name = bridge.name;
        let mut message = up(LinkMessage::default());
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        message.attributes.push(LinkAttribute::Address(bridge.mac.to_vec()));
        message.attributes.push(LinkAttribute::Group(GROUP));
        message.attributes.extend(bridge.mtu.map(LinkAttribute::Mtu));
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
        let what = format!("make the bridge {name}");
        self.0
            .create(Message::NewLink(message))
            .map_err(|errno| refused(&what, "RTM_NEWLINK {kind: bridge}", errno))?;
        let link = self.named(name)?;
        self.note(&link, bridge.note)?;
        Ok(link)
    }

    /// Notes something on an interface, for everybody to read.
    ///
    /// # Errors
    /// ENODEV: it is gone; EPERM.
    pub fn note(&self, link: &Link, alias: &str) -> Result<()> {
        let mut note = of(link.index);
        note.attributes.push(LinkAttribute::IfAlias(alias.to_owned()));
        let what = format!("say on {} whose it is", link.name);
        self.0
            .change(Message::SetLink(note))
            .map_err(|errno| refused(&what, "RTM_SETLINK {ifalias}", errno))
    }

    /// Makes a pair: one end here, in the bridge and switched on, the other one in `netns`.
    /// Goes with the namespace, or by [`Links::remove`].
    ///
    /// # Errors
    /// EEXIST: a name is taken; EPERM: no CAP_NET_ADMIN here or there.
    pub fn add_pair(&self, pair: Pair<'_>, netns: &Netns) -> Result<()> {
        let bridge = self.named(pair.bridge)?.index;
        // Not switched on: the cable has no other end yet (ENOTCONN).
        let mut inside = one_queue(LinkMessage::default());
        inside.attributes.push(LinkAttribute::IfName(pair.inside.to_owned()));
        inside.attributes.push(LinkAttribute::Address(pair.mac.to_vec()));
        inside.attributes.push(LinkAttribute::NetNsFd(netns.descriptor().as_raw_fd()));
        inside.attributes.extend(pair.mtu.map(LinkAttribute::Mtu));
        let mut message = one_queue(up(LinkMessage::default()));
        message.attributes.push(LinkAttribute::IfName(pair.name.to_owned()));
        message.attributes.push(LinkAttribute::Controller(bridge));
        message.attributes.extend(pair.mtu.map(LinkAttribute::Mtu));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(inside))),
        ]));
        let what = format!("plug {} into {}", pair.inside, pair.bridge);
        self.0
            .create(Message::NewLink(message))
            .map_err(|errno| refused(&what, "RTM_NEWLINK {kind: veth}", errno))?;
        self.hairpin(pair.name)
    }

    /// Lets a bridge send a frame back through the port that it came from: a container that asks for
    /// its own published port gets its question back that way.
    fn hairpin(&self, port: &str) -> Result<()> {
        let mut message = of(self.named(port)?.index);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)])),
        ]));
        self.0
            .change(Message::NewLink(message))
            .map_err(|errno| refused("let a port answer itself", "RTM_NEWLINK {hairpin}", errno))
    }

    /// Switches an interface on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn up(&self, name: &str) -> Result<()> {
        let mut message = of(self.named(name)?.index);
        message = up(message);
        let what = format!("switch {name} on");
        self.0
            .change(Message::SetLink(message))
            .map_err(|errno| refused(&what, "RTM_SETLINK {IFF_UP}", errno))
    }

    /// Removes an interface; fine when there is none of this name.
    ///
    /// # Errors
    /// EPERM; EOPNOTSUPP for one that is not made of software.
    pub fn remove(&self, name: &str) -> Result<()> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        match self.0.change(Message::DelLink(message)) {
            Ok(()) | Err(Errno::ENODEV) => Ok(()),
            Err(errno) => Err(refused(&format!("remove {name}"), "RTM_DELLINK", errno)),
        }
    }

    /// Begins to remove an interface; there is nothing to begin where none has this name. By its
    /// number: the name may be another's before the kernel is asked.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn begin_to_remove(name: &str) -> Result<Option<Parting>> {
        let Ok(index) = if_nametoindex(name) else { return Ok(None) };
        let name = name.to_owned();
        let what = format!("remove {name}");
        let remove = move || match Self::here()?.0.change(Message::DelLink(of(index))) {
            Ok(()) | Err(Errno::ENODEV) => Ok(()),
            Err(errno) => Err(refused(&what, "RTM_DELLINK", errno)),
        };
        let is_gone = move || if_nametoindex(name.as_str()) != Ok(index);
        Parting::begin(move |tell| tell(remove()), is_gone).map(Some)
    }

    /// Gives an interface an address; fine when it has it.
    ///
    /// # Errors
    /// EPERM; EACCES for IPv6 where that is switched off.
    pub fn add_address(&self, link: &Link, address: IpNet) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = family(address.addr());
        message.header.prefix_len = address.prefix_len();
        message.header.index = link.index;
        // We have given it to nobody else: no need to ask around for a second first.
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Local(address.addr()));
        message.attributes.push(AddressAttribute::Address(address.addr()));
        if let IpNet::V4(address) = address {
            message.attributes.push(AddressAttribute::Broadcast(address.broadcast()));
        }
        match self.0.create(Message::NewAddress(message)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => {
                let what = format!("give {} the address {address}", link.name);
                Err(refused(&what, "RTM_NEWADDR", errno))
            }
        }
    }

    /// Sends whatever has no better way through `gateway`; fine when such a route is there.
    ///
    /// # Errors
    /// ENETUNREACH: the gateway is on no network of ours.
    pub fn add_default_route(&self, gateway: IpAddr) -> Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(gateway);
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Gateway(gateway.into()));
        match self.0.create(Message::NewRoute(message)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => {
                Err(refused(&format!("make {gateway} the gateway"), "RTM_NEWROUTE", errno))
            }
        }
    }

    /// The destinations that there is a way to, but the one for everything.
    pub fn destinations(&self) -> Vec<IpNet> {
        self.routes().iter().filter_map(destination).collect()
    }

    /// The networks that this machine is itself in: whose machines it reaches without a gateway.
    pub fn own_networks(&self) -> Vec<IpNet> {
        let routes = self.routes().into_iter().filter(|route| !has_gateway(route));
        routes.filter_map(|route| destination(&route)).collect()
    }

    fn routes(&self) -> Vec<Message> {
        let mut found = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            // A kernel without IPv6 has no such routes.
            found.extend(self.0.list(Message::GetRoute(message)).unwrap_or_default());
        }
        found
    }
}

fn has_gateway(message: &Message) -> bool {
    let Message::NewRoute(route) = message else { return false };
    route.attributes.iter().any(|it| matches!(it, RouteAttribute::Gateway(_)))
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn of(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

/// A veth device uses one queue of each kind. Left to itself the kernel makes one for each CPU, and
/// then waits until nobody uses the others any more.
fn one_queue(mut message: LinkMessage) -> LinkMessage {
    message.attributes.push(LinkAttribute::NumTxQueues(1));
    message.attributes.push(LinkAttribute::NumRxQueues(1));
    message
}

fn up(mut message: LinkMessage) -> LinkMessage {
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

fn link(message: Message) -> Option<Link> {
    let Message::NewLink(message) = message else { return None };
    let mut link = Link { index: message.header.index, name: String::new(), alias: None };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            _ => {}
        }
    }
    Some(link)
}

fn destination(message: &Message) -> Option<IpNet> {
    let Message::NewRoute(route) = message else { return None };
    let length = route.header.destination_prefix_length;
    // The kernel's own tables have each address and multicast in them: those are no networks.
    if route.header.kind != RouteType::Unicast || length == 0 {
        return None;
    }
    let address = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(it)) => Some(IpAddr::V4(*it)),
        RouteAttribute::Destination(RouteAddress::Inet6(it)) => Some(IpAddr::V6(*it)),
        _ => None,
    })?;
    let every_link_has_it = |it: Ipv6Addr| it.is_unicast_link_local() || it.is_multicast();
    match address {
        IpAddr::V6(it) if every_link_has_it(it) => None,
        it => IpNet::new(it, length).ok(),
    }
}

fn refused(what: &str, call: &str, errno: Errno) -> Error {
    let error = Error::new(format!("cannot {what}")).call(call, errno).see("7 rtnetlink");
    match errno {
        Errno::EPERM | Errno::EACCES => error.fix(
            "it takes CAP_NET_ADMIN: run as root, or without a network of its own: \
             --network none or --network host",
        ),
        Errno::EOPNOTSUPP => error.fix(
            "the kernel lacks the driver: modprobe bridge veth, or use --network none or host",
        ),
        Errno::EEXIST => error.fix("something of that name is there already: look at ip link"),
        _ => error,
    }
}
