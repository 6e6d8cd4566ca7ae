//! Where a container can be reached: its networks and its ports, for `ps`, `port` and `inspect`.
//!
//! The one place that those ask. What is known about all containers at once is read once for a
//! list, and not for each of them.

use std::net::IpAddr;

use super::{
    Engine,
    plug::exposed,
    ports::{Port, Range},
};
use crate::{
    container::{Network, Record},
    network::{Attachment, Ledger},
};

/// The networks and ports of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    /// The networks that it is in.
    pub networks: Vec<Joined>,
    /// What it listens on, and what of the host leads there.
    pub ports: Vec<Port>,
}

/// A container in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// The network's name.
    pub name: String,
    /// The network's ID.
    pub id: String,
    /// What the network calls the container's end; empty while it does not run.
    pub endpoint: String,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// Its IPv4 address.
    pub ipv4: Option<Address>,
    /// Its IPv6 address.
    pub ipv6: Option<Address>,
    /// What was asked for.
    pub attachment: Option<Attachment>,
}

/// An address in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The container's.
    pub own: IpAddr,
    /// The length of the subnet's prefix.
    pub length: u8,
    /// Where packets for elsewhere go.
    pub gateway: IpAddr,
}

impl Joined {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl Connections {
    /// Whether it is in the network of this name or ID.
    pub(super) fn is_in(&self, wanted: &str) -> bool {
        self.networks.iter().any(|network| network.name == wanted || network.id == wanted)
    }

    pub(super) fn publishes(&self, ranges: &[Range]) -> bool {
        let published = |port: &Port| {
            port.public.is_some_and(|number| ranges.iter().any(|range| range.has(number, port)))
        };
        self.ports.iter().any(published)
    }

    pub(super) fn exposes(&self, ranges: &[Range]) -> bool {
        self.ports.iter().any(|port| ranges.iter().any(|range| range.has(port.private, port)))
    }
}

/// What is known about the networks of all containers.
#[derive(Debug)]
pub(super) struct Wires(Ledger);

impl Engine {
    /// Reads what is known about the networks; a container whose networks are unknown is in none.
    pub(super) fn wires(&self) -> Wires {
        Wires(self.ledger().unwrap_or_default())
    }

    /// Where a container can be reached.
    pub fn connections(&self, record: &Record) -> Connections {
        self.wires().of(record)
    }
}

impl Wires {
    /// The part of one container.
    pub(super) fn of(&self, record: &Record) -> Connections {
        let networks = match &record.options.network {
            Network::None => vec![Joined::named("none")],
            Network::Host => vec![Joined::named("host")],
            Network::Container(_) => Vec::new(),
            Network::Bridge => {
                let attachments = &record.options.connection.attachments;
                attachments.iter().map(|attachment| self.joined(record, attachment)).collect()
            }
        };
        Connections { networks, ports: self.ports(record) }
    }

    fn joined(&self, record: &Record, attachment: &Attachment) -> Joined {
        let Self(ledger) = self;
        let network = ledger.networks.iter().find(|it| it.name == attachment.network);
        let endpoint = network.and_then(|network| {
            ledger.of_container(&record.id).find(|it| it.network == network.id)
        });
        let family = |ipv6: bool| {
            let own = endpoint?.addresses().find(|ip| ip.is_ipv6() == ipv6)?;
            let pool = network?.pool(ipv6)?;
            Some(Address { own, length: pool.subnet.prefix_len(), gateway: pool.gateway })
        };
        Joined {
            name: attachment.network.clone(),
            id: network.map(|it| it.id.clone()).unwrap_or_default(),
            endpoint: endpoint.map(|it| it.id.clone()).unwrap_or_default(),
            mac: endpoint.map(|it| it.mac),
            ipv4: family(false),
            ipv6: family(true),
            attachment: Some(attachment.clone()),
        }
    }

    /// What leads to it, and what it only listens on. One that does not run listens on nothing.
    fn ports(&self, record: &Record) -> Vec<Port> {
        let published = self.0.published.iter().filter(|it| it.container == record.id);
        let mut ports: Vec<Port> = published
            .map(|it| Port {
                private: it.lead.port.number,
                protocol: it.lead.port.protocol.to_string(),
                ip: Some(it.lead.host_ip),
                public: Some(it.lead.host_port),
            })
            .collect();
        for port in exposed(record).into_iter().filter(|_| record.state.status.is_up()) {
            let protocol = port.protocol.to_string();
            let is_led_to = |it: &Port| it.private == port.number && it.protocol == protocol;
            if !ports.iter().any(is_led_to) {
                ports.push(Port { private: port.number, protocol, ip: None, public: None });
            }
        }
        ports.sort();
        ports
    }
}
