//! The ledger: which networks there are, who is in them, and what of it is in the kernel.
//!
//! One JSON file under one lock. Whoever changes something writes here first what is going to be in
//! the kernel, and makes it then; so what a killed process leaves behind is known to the next one,
//! which sweeps it: an endpoint whose container nobody watches any more is struck out, and then the
//! kernel is made to look like the ledger (`settle`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ground::{Error, Result};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    holder::Holder,
    ipam::Pool,
    netns::Netns,
    publish::{Lead, Published},
};
use crate::layout::Layout;

/// The name of the network that a container gets when none is named.
pub const DEFAULT: &str = "bridge";

/// Everything about networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The networks, the default one among them once there was a need for it.
    pub networks: Vec<Network>,
    /// Who is in which.
    pub endpoints: Vec<Endpoint>,
    /// The ports of the host that lead to a container.
    pub published: Vec<Published>,
    /// What we have made in the kernel.
    pub host: Host,
    /// Who was struck out: their interfaces are still to be removed (`settle`).
    #[serde(default)]
    pub gone: Vec<Endpoint>,
    /// Who keeps the network namespace that an ordinary user's bridges are in.
    #[serde(default)]
    pub holder: Option<Holder>,
    /// The containers of a user that are to be plugged in again: what they were plugged into has gone.
    #[serde(default)]
    pub unplugged: BTreeSet<String>,
    /// The containers with a way out of their own (`usermode`), and their addresses there.
    #[serde(default)]
    pub carried: BTreeMap<String, IpAddr>,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, unique in this store.
    pub name: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// The bridge's name in the kernel.
    pub bridge: String,
    /// Its addresses: IPv4, and IPv6 if it has that.
    pub pools: Vec<Pool>,
    /// Whether there is no way out of it.
    pub internal: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// Whether somebody may connect running containers to it (`--attachable`); we always allow it.
    pub attachable: bool,
    /// The driver's options, as given.
    pub options: BTreeMap<String, String>,
    /// Labels, as given.
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// A network without anything, as those that are no bridge.
    pub fn nothing(id: String) -> Self {
        Self {
            id,
            name: String::new(),
            created: String::new(),
            bridge: String::new(),
            pools: Vec::new(),
            internal: false,
            ipv6: false,
            attachable: false,
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    /// Whether it is the one for those who name none. It has no names by DNS.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    /// The addresses of one family.
    pub fn pool(&self, ipv6: bool) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.subnet.addr().is_ipv6() == ipv6)
    }

    /// The largest packet, if one was chosen.
    pub fn mtu(&self) -> Option<u32> {
        self.options.get("com.docker.network.driver.mtu")?.parse().ok()
    }

    /// Whether packets that leave it get the host's address.
    pub fn masquerades(&self) -> bool {
        let option = self.options.get("com.docker.network.bridge.enable_ip_masquerade");
        !self.internal && option.is_none_or(|value| value != "false")
    }

    /// Whether its containers may speak with each other.
    pub fn connects_containers(&self) -> bool {
        let option = self.options.get("com.docker.network.bridge.enable_icc");
        option.is_none_or(|value| value != "false")
    }
}

/// One container in one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The network's ID.
    pub network: String,
    /// The container's ID.
    pub container: String,
    /// The container's name.
    pub name: String,
    /// Its further names in this network.
    pub aliases: Vec<String>,
    /// Names that only this container knows, and whom they mean.
    #[serde(default)]
    pub links: Vec<Link>,
    /// The interface on the host.
    pub veth: String,
    /// The interface inside.
    pub interface: String,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Whether its interface is only being made; whoever makes it holds the lock.
    #[serde(default)]
    pub half_made: bool,
}

/// A name for another container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The other container's name or ID, as given.
    pub target: String,
    /// What it is called here.
    pub alias: String,
}

impl Endpoint {
    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.ipv4.map(IpAddr::V4).into_iter().chain(self.ipv6.map(IpAddr::V6))
    }

    /// Whether somebody who asks for `name` means this one.
    pub fn answers_to(&self, name: &str) -> bool {
        let is = |own: &str| own.eq_ignore_ascii_case(name);
        is(&self.name)
            || is(self.container.get(..12).unwrap_or(&self.container))
            || self.aliases.iter().any(|alias| is(alias))
    }
}

/// What we have made in the kernel, so that it can be taken away again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Which network namespace, of which boot. With another one everything here is gone.
    pub namespace: String,
    /// The bridges.
    pub bridges: Vec<String>,
    /// The settings that we changed, and what they were before.
    pub settings: BTreeMap<String, String>,
    /// Which program has our rules, while there are any.
    pub firewall: Option<Firewall>,
    /// The rules that it has.
    pub rules: Rules,
}

/// A program that changes rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firewall {
    /// nft(8).
    Nft,
    /// iptables(8) and ip6tables(8).
    Iptables,
}

/// The text of all rules, as it was given to the program; empty for none.
pub type Rules = String;

/// The ledger with its lock held.
#[derive(Debug)]
pub struct Open<'a> {
    layout: &'a Layout,
    /// What stands in it.
    pub ledger: Ledger,
    _lock: File,
}

impl<'a> Open<'a> {
    /// Takes the lock, and reads.
    ///
    /// # Errors
    /// When the file cannot be made, or is no ledger.
    pub fn lock(layout: &'a Layout) -> Result<Self> {
        let lock = lock_of(layout)?;
        lock.lock().map_err(|error| cannot_lock(layout, &error))?;
        Self::with(layout, lock)
    }

    /// As [`Open::lock`], unless somebody has the lock.
    ///
    /// # Errors
    /// As [`Open::lock`].
    pub fn try_lock(layout: &'a Layout) -> Result<Option<Self>> {
        let lock = lock_of(layout)?;
        match lock.try_lock() {
            Ok(()) => Self::with(layout, lock).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot_lock(layout, &error)),
        }
    }

    fn with(layout: &'a Layout, lock: File) -> Result<Self> {
        let mut ledger = read(layout)?;
        ledger.strike_half_made();
        Ok(Self { layout, ledger, _lock: lock })
    }

    /// Replaces the file in one step.
    ///
    /// # Errors
    /// As write(2) and rename(2).
    pub fn write(&self) -> Result<()> {
        let path = self.layout.networks();
        let fresh = path.with_extension("new");
        let written = serde_json::to_vec(&self.ledger)
            .map_err(io::Error::from)
            .and_then(|json| fs::write(&fresh, json))
            .and_then(|()| fs::rename(&fresh, &path));
        written.map_err(|error| {
            Error::new("cannot write down what became of the networks")
                .io(path.display(), &error)
                .fix("free some space, or look at the owner of the directory")
        })
    }
}

fn lock_of(layout: &Layout) -> Result<File> {
    let opened =
        File::options().create(true).truncate(false).write(true).open(layout.networks_lock());
    opened.map_err(|error| cannot_lock(layout, &error))
}

fn cannot_lock(layout: &Layout, error: &io::Error) -> Error {
    Error::new("cannot look after the networks").io(layout.networks_lock().display(), error)
}

/// What stands in the ledger. It is replaced in one step, so reading needs no lock.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(layout: &Layout) -> Result<Ledger> {
    let path = layout.networks();
    let cannot = || Error::new("cannot read what is known about networks");
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ledger::default()),
        Err(error) => return Err(cannot().io(path.display(), &error)),
    };
    serde_json::from_slice(&json).map_err(|error| {
        cannot()
            .why(format!("{}: {error}", path.display()))
            .fix("stop all containers and remove the file: the networks are to be made again")
    })
}

impl Ledger {
    /// The network of this ID.
    pub fn network(&self, id: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id)
    }

    /// Who is in a network.
    pub fn members(&self, network: &str) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(move |endpoint| endpoint.network == network)
    }

    /// Where a container is.
    pub fn of_container(&self, container: &str) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(move |endpoint| endpoint.container == container)
    }

    /// Strikes out everything of the containers that `is_alive` does not know.
    pub fn sweep(&mut self, is_alive: &dyn Fn(&str) -> bool) {
        let mut known = BTreeMap::new();
        let mut alive =
            |id: &String| *known.entry(id.clone()).or_insert_with(|| is_alive(id.as_str()));
        let (stay, go) = std::mem::take(&mut self.endpoints)
            .into_iter()
            .partition(|endpoint| alive(&endpoint.container));
        self.endpoints = stay;
        self.gone.extend::<Vec<_>>(go);
        self.published.retain(|port| alive(&port.container));
        self.carried.retain(|container, _| alive(container));
        self.unplugged.retain(|container| alive(container));
    }

    /// The network namespace that an ordinary user's bridges are in, if somebody keeps it.
    pub fn home(&self) -> Option<Netns> {
        self.holder.as_ref().and_then(Holder::netns)
    }

    /// Strikes out what was in the kernel: it has gone with the namespace that it was in.
    pub fn forget_kernel(&mut self) {
        self.host = Host::default();
        self.gone.clear();
        self.holder = None;
        let plugged = self.endpoints.iter().filter(|it| !it.half_made);
        self.unplugged = plugged.map(|it| it.container.clone()).collect();
    }

    /// Strikes out whoever was being plugged in. With the lock held nobody is: their maker was killed.
    pub fn strike_half_made(&mut self) {
        let (half, whole) =
            std::mem::take(&mut self.endpoints).into_iter().partition(|it| it.half_made);
        self.endpoints = whole;
        self.gone.extend::<Vec<_>>(half);
    }

    /// Says of all interfaces of a container that they are there.
    pub fn plugged(&mut self, container: &str) {
        let own = self.endpoints.iter_mut().filter(|it| it.container == container);
        own.for_each(|it| it.half_made = false);
    }

    /// Whether somebody is at work on it, or was killed at that.
    pub fn is_unfinished(&self) -> bool {
        !self.gone.is_empty()
            || !self.unplugged.is_empty()
            || self.endpoints.iter().any(|it| it.half_made)
    }

    /// Strikes out a container.
    pub fn forget(&mut self, container: &str) {
        self.sweep(&|id| id != container);
    }

    /// Where a container's published ports lead to, unless it is carried: its first network with a
    /// way out.
    pub fn entrance(&self, container: &str) -> Option<&Endpoint> {
        self.of_container(container)
            .find(|it| self.network(&it.network).is_some_and(|network| !network.internal))
    }

    /// Leads, with the address that they lead to. From an IPv6 address of the host to a container
    /// that has none, the porter carries what comes.
    pub fn lead_to(&self, container: &str, leads: &[Lead]) -> Vec<Published> {
        let (ipv4, ipv6) = match (self.carried.get(container), self.entrance(container)) {
            (Some(address), _) => (Some(*address), None),
            (None, Some(it)) => (it.ipv4.map(IpAddr::V4), it.ipv6.map(IpAddr::V6)),
            (None, None) => return Vec::new(),
        };
        let published = |lead: &Lead| {
            let target = if lead.host_ip.is_ipv6() { ipv6.or(ipv4) } else { ipv4.or(ipv6) };
            Some(Published { container: container.to_owned(), lead: *lead, target: target? })
        };
        leads.iter().filter_map(published).collect()
    }

    /// Leads what was led to a container to where it is now, if it is anywhere.
    pub fn lead_anew(&mut self, container: &str) {
        let (ours, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.published)
            .into_iter()
            .partition(|it| it.container == container);
        self.published = others;
        let leads: Vec<Lead> = ours.iter().map(|it| it.lead).collect();
        let published = self.lead_to(container, &leads);
        self.published.extend(published);
    }

    /// All subnets of all networks.
    pub fn subnets(&self) -> impl Iterator<Item = IpNet> {
        self.networks.iter().flat_map(|network| &network.pools).map(|pool| pool.subnet)
    }
}
