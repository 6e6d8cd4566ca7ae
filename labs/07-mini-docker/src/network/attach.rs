//! Attach: a network namespace gets an interface in a network, or loses it again.
//!
//! ```text
//!   the container's namespace            the host's
//!   eth0  172.17.0.2/16  <── veth ──>  vethXXXXXXX ── mini0  172.17.0.1/16 ── NAT ── the world
//!   default via 172.17.0.1
//! ```

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use ground::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{
    Ground, Networks,
    host::address,
    ipam::{mac, mac_of},
    ledger::{self, Endpoint, Ledger, Link, Network, Open},
    link::{Links, Pair},
    netns::{Netns, set_sysctl},
    publish::Lead,
    usermode,
};
use crate::digester::sha256;

/// How a container wants to be in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// The network's name or ID.
    pub network: String,
    /// Further names in it.
    pub aliases: Vec<String>,
    /// Names of others that only this container knows.
    pub links: Vec<Link>,
    /// The IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// The IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// The hardware address.
    pub mac: Option<[u8; 6]>,
}

/// Whose network namespace it is.
#[derive(Debug, Clone, Copy)]
pub struct Tenant<'a> {
    /// The container's ID.
    pub id: &'a str,
    /// The container's name.
    pub name: &'a str,
    /// Its network namespace, as a path.
    pub netns: &'a Path,
}

impl Networks<'_> {
    /// Gives a namespace an interface in each network, in this order; the first with a way out gets
    /// the default route, and the ports of the host that lead to it. What it had before is struck out. Taken back by [`Networks::leave`].
    ///
    /// # Errors
    /// No such network, an address that cannot be had, what the kernel said. Then
    /// [`Networks::leave`] takes back what was done.
    pub fn enter(
        &self,
        tenant: Tenant<'_>,
        wanted: &[Attachment],
        leads: &[Lead],
    ) -> Result<Vec<Endpoint>> {
        let netns = Netns::open(tenant.netns)?;
        let mut open = self.open()?;
        open.ledger.forget(tenant.id);
        self.reserve(&mut open, tenant, wanted)?;
        let published = open.ledger.lead_to(tenant.id, leads);
        open.ledger.published.extend(published);
        // While the rules are made: its program has not begun, and so nobody could break them.
        let endpoints = self.settle_while(&mut open, |ledger| {
            // Settling may have moved the default network to another subnet.
            let endpoints: Vec<_> = ledger.of_container(tenant.id).cloned().collect();
            netns.inside(|| Links::here()?.up("lo"))?;
            plug(ledger, &endpoints, &netns)?;
            Ok(endpoints)
        })?;
        open.ledger.plugged(tenant.id);
        open.write()?;
        Ok(endpoints)
    }

    /// Gives a running container one more interface.
    ///
    /// # Errors
    /// As [`Networks::enter`]; then nothing of it is left.
    pub fn connect(&self, tenant: Tenant<'_>, wanted: &Attachment) -> Result<Endpoint> {
        let netns = Netns::open(tenant.netns)?;
        let mut open = self.open()?;
        self.reserve(&mut open, tenant, std::slice::from_ref(wanted))?;
        self.settle(&mut open)?;
        let network = self.find(&open.ledger, &wanted.network)?.id.clone();
        let endpoint = open.ledger.of_container(tenant.id).find(|it| it.network == network);
        let endpoint = endpoint.cloned().ok_or_else(|| Error::new("the container is gone"))?;
        let ledger = &open.ledger;
        let plugged =
            self.at_home(ledger, || plug(ledger, std::slice::from_ref(&endpoint), &netns));
        if let Err(error) = plugged {
            self.strike_out(&mut open, &endpoint)?;
            return Err(error);
        }
        open.ledger.plugged(tenant.id);
        open.write()?;
        Ok(endpoint)
    }

    /// Takes an interface away from a container.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn disconnect(&self, tenant: Tenant<'_>, endpoint: &Endpoint) -> Result<()> {
        let mut open = self.open()?;
        self.strike_out(&mut open, endpoint)?;
        let Ok(netns) = Netns::open(tenant.netns) else { return Ok(()) };
        let rest: Vec<_> = open.ledger.of_container(tenant.id).cloned().collect();
        // The default route has gone with the interface, if it was that one.
        netns.inside(|| {
            let links = Links::here()?;
            rest.iter().try_for_each(|it| default_route(&links, &open.ledger, it))
        })
    }

    fn strike_out(&self, open: &mut Open<'_>, endpoint: &Endpoint) -> Result<()> {
        open.ledger.endpoints.retain(|it| it.id != endpoint.id);
        open.ledger.gone.push(endpoint.clone());
        // What led to this address leads to the next one now, if the container has one.
        open.ledger.lead_anew(&endpoint.container);
        open.write()?;
        self.settle(open)
    }

    /// Strikes a container out of all networks, with its ports. Its interfaces may be gone with its
    /// namespace. Does nothing for a container that was in none. Nothing of it can be found when this
    /// returns; the kernel may not have done with it yet, for which the caller's process waits when it
    /// ends.
    ///
    /// # Errors
    /// What the kernel said about the host's side.
    pub fn leave(&self, container: &str) -> Result<()> {
        let mut open = self.open()?;
        // As it was before the sweep: nobody watches over a container that is just ending.
        let before = ledger::read(self.layout)?;
        open.ledger.forget(container);
        if open.ledger == before && open.ledger.gone.is_empty() {
            return Ok(());
        }
        let is_over = open.ledger.endpoints.is_empty() || open.ledger.gone.is_empty();
        if self.ground != Ground::Host && is_over {
            // The holder goes with the last one, and with it all that is in the kernel.
            return open.write();
        }
        self.begin_to_settle(&mut open, |_| Ok(())).map(drop)
    }

    /// Writes down that a container is in no network of ours: a program of the user's leads out of it
    /// (`usermode`), and to `address`. Struck out by [`Networks::leave`] or [`Networks::cut_off`].
    ///
    /// # Errors
    /// As write(2).
    pub fn carry(&self, container: &str, leads: &[Lead], address: IpAddr) -> Result<()> {
        let mut open = self.open()?;
        open.ledger.forget(container);
        open.ledger.carried.insert(container.to_owned(), address);
        let published = open.ledger.lead_to(container, leads);
        open.ledger.published.extend(published);
        open.write()
    }

    /// From now on a container has another name in its networks: those who ask find it by that.
    ///
    /// # Errors
    /// As write(2).
    pub fn rename(&self, container: &str, name: &str) -> Result<()> {
        // Most are in no network just now.
        if ledger::read(self.layout)?.of_container(container).next().is_none() {
            return Ok(());
        }
        let mut open = self.open()?;
        let own = open.ledger.endpoints.iter_mut().filter(|it| it.container == container);
        own.for_each(|it| name.clone_into(&mut it.name));
        open.write()
    }

    /// Takes the interface away that a program of the user's carries; its other networks, if it is in
    /// any, lead out then.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn cut_off(&self, tenant: Tenant<'_>) -> Result<()> {
        let mut open = self.open()?;
        open.ledger.carried.remove(tenant.id);
        open.ledger.lead_anew(tenant.id);
        open.write()?;
        let rest: Vec<_> = open.ledger.of_container(tenant.id).cloned().collect();
        Netns::open(tenant.netns)?.inside(|| {
            let links = Links::here()?;
            links.remove(usermode::INTERFACE)?;
            rest.iter().try_for_each(|it| default_route(&links, &open.ledger, it))
        })
    }

    /// Writes a container into networks.
    fn reserve(
        &self,
        open: &mut Open<'_>,
        tenant: Tenant<'_>,
        wanted: &[Attachment],
    ) -> Result<()> {
        for attachment in wanted {
            let network = self.find_or_default(&mut open.ledger, &attachment.network)?;
            if open.ledger.of_container(tenant.id).any(|it| it.network == network.id) {
                return Err(Error::new(format!(
                    "endpoint with name {} already exists in network {}",
                    tenant.name, network.name
                ))
                .why("a container is in a network once")
                .fix("disconnect it first, to connect it with other addresses or names"));
            }
            let endpoint = endpoint(&open.ledger, &network, tenant, attachment)?;
            open.ledger.endpoints.push(endpoint);
        }
        open.write()
    }
}

/// What a container becomes in a network.
fn endpoint(
    ledger: &Ledger,
    network: &Network,
    tenant: Tenant<'_>,
    wanted: &Attachment,
) -> Result<Endpoint> {
    let taken: Vec<IpAddr> = ledger.members(&network.id).flat_map(Endpoint::addresses).collect();
    let (mut ipv4, mut ipv6) = (None, None);
    for pool in &network.pools {
        let wanted = match pool.subnet.addr() {
            IpAddr::V4(_) => wanted.ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => wanted.ipv6.map(IpAddr::V6),
        };
        match pool.allocate(wanted, &taken)? {
            IpAddr::V4(address) => ipv4 = Some(address),
            IpAddr::V6(address) => ipv6 = Some(address),
        }
    }
    let mut used: Vec<_> = ledger.of_container(tenant.id).map(|it| it.interface.as_str()).collect();
    used.extend(ledger.carried.contains_key(tenant.id).then_some(usermode::INTERFACE));
    let interface = (0..).map(|number| format!("eth{number}"));
    let interface = interface.into_iter().find(|name| !used.contains(&name.as_str()));
    let id = hex(&[network.id.as_bytes(), tenant.id.as_bytes()]);
    let mac = wanted.mac.or(ipv4.map(mac)).unwrap_or_else(|| mac_of(&id));
    Ok(Endpoint {
        network: network.id.clone(),
        container: tenant.id.to_owned(),
        name: tenant.name.to_owned(),
        aliases: wanted.aliases.clone(),
        links: wanted.links.clone(),
        veth: format!("veth{}", id.get(..7).unwrap_or_default()),
        interface: interface.unwrap_or_default(),
        id,
        mac,
        ipv4,
        ipv6,
        half_made: true,
    })
}

/// The digits of a hash: an ID that the same parts always get.
pub(super) fn hex(parts: &[&[u8]]) -> String {
    sha256(&parts.concat()).hex().to_owned()
}

/// Makes the interfaces of endpoints that the ledger has.
fn plug(ledger: &Ledger, endpoints: &[Endpoint], netns: &Netns) -> Result<()> {
    let links = Links::here()?;
    for endpoint in endpoints {
        let network = ledger.network(&endpoint.network);
        let network = network.ok_or_else(|| Error::new("the network is gone"))?;
        // Left by somebody who was killed.
        links.remove(&endpoint.veth)?;
        let pair = Pair {
            name: &endpoint.veth,
            inside: &endpoint.interface,
            mac: endpoint.mac,
            bridge: &network.bridge,
            mtu: network.mtu(),
        };
        links.add_pair(pair, netns)?;
    }
    netns.inside(|| {
        let links = Links::here()?;
        endpoints.iter().try_for_each(|it| configure(&links, ledger, it))
    })
}

/// Makes the interfaces of a container anew, when what they were plugged into has gone.
///
/// # Errors
/// What the kernel said.
pub(super) fn plug_again(ledger: &Ledger, container: &str, netns: &Netns) -> Result<()> {
    let own = ledger.of_container(container).filter(|it| !it.half_made);
    let endpoints: Vec<_> = own.cloned().collect();
    // The kernel takes its time to remove a namespace, and what was plugged into it stays so long.
    netns.inside(|| {
        let links = Links::here()?;
        endpoints.iter().try_for_each(|it| links.remove(&it.interface))
    })?;
    plug(ledger, &endpoints, netns)
}

/// Inside: addresses, and the way out.
fn configure(links: &Links, ledger: &Ledger, endpoint: &Endpoint) -> Result<()> {
    let network = ledger.network(&endpoint.network);
    let network = network.ok_or_else(|| Error::new("the network is gone"))?;
    // A router that answers would otherwise be believed more than we are; and without an address
    // of ours there is nobody to speak IPv6 with.
    let (setting, value) =
        if endpoint.ipv6.is_some() { ("accept_ra", "0") } else { ("disable_ipv6", "1") };
    let _ = set_sysctl(&format!("ipv6/conf/{}/{setting}", endpoint.interface), value);
    links.up(&endpoint.interface)?;
    let link = links.named(&endpoint.interface)?;
    for own in endpoint.addresses() {
        if let Some(pool) = network.pool(own.is_ipv6()) {
            links.add_address(&link, address(own, pool)?)?;
        }
    }
    default_route(links, ledger, endpoint)
}

/// The way out through this network, if it has one and there is none yet.
fn default_route(links: &Links, ledger: &Ledger, endpoint: &Endpoint) -> Result<()> {
    let Some(network) = ledger.network(&endpoint.network).filter(|it| !it.internal) else {
        return Ok(());
    };
    for pool in &network.pools {
        links.add_default_route(pool.gateway)?;
    }
    Ok(())
}
