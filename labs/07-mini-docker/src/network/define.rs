//! Define: networks are made, found and removed. In the kernel they begin with their first member.

use std::{collections::BTreeMap, net::IpAddr};

use ground::{Error, Result};
use ipnet::IpNet;

use super::{
    DEFAULT, Networks,
    attach::hex,
    ipam::{Pool, free_subnet, overlap, unique_local},
    ledger::{Ledger, Network},
    link::Links,
};

/// Names that are no networks of the ledger, but something else.
pub const PREDEFINED: [&str; 3] = [DEFAULT, "host", "none"];

/// What a network is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its ID, that nobody else has.
    pub id: String,
    /// The time (RFC 3339).
    pub created: String,
    /// Its subnets, at most one of each family; chosen if none.
    pub subnets: Vec<Subnet>,
    /// Whether there is no way out of it.
    pub internal: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// As in [`Network`].
    pub attachable: bool,
    /// As in [`Network`].
    pub options: BTreeMap<String, String>,
    /// As in [`Network`].
    pub labels: BTreeMap<String, String>,
}

/// A subnet, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The network and its mask.
    pub subnet: IpNet,
    /// The bridge's address; the first if none.
    pub gateway: Option<IpAddr>,
    /// The part that addresses are given from.
    pub range: Option<IpNet>,
}

/// Why a network cannot be made or removed.
#[derive(Debug)]
pub enum Problem {
    /// Its name is taken, or somebody is in it.
    Conflict(Error),
    /// There is none.
    NotFound(Error),
    /// What was asked for makes no sense.
    Invalid(Error),
    /// Something else.
    Failed(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Networks<'_> {
    /// Makes a network. Removed by [`Networks::remove`].
    ///
    /// # Errors
    /// A name that is taken, a subnet that overlaps with another one.
    pub fn define(&self, wanted: &Definition) -> Result<Network, Problem> {
        let mut open = self.open()?;
        if named(&open.ledger, &wanted.name).is_some() || PREDEFINED.contains(&wanted.name.as_str())
        {
            let what = format!("network with name {} already exists", wanted.name);
            return Err(Problem::Conflict(
                Error::new(what).fix("choose another name, or remove the other one first"),
            ));
        }
        let network = network(&open.ledger, wanted)?;
        open.ledger.networks.push(network.clone());
        open.write()?;
        Ok(network)
    }

    /// Removes a network that nobody is in.
    ///
    /// # Errors
    /// No such network; one that is predefined, or has members.
    pub fn remove(&self, name: &str) -> Result<Network, Problem> {
        let mut open = self.open()?;
        if PREDEFINED.contains(&name) {
            return Err(Problem::Invalid(
                Error::new(format!("{name} is a pre-defined network and cannot be removed"))
                    .why("containers that name no network of their own are in it"),
            ));
        }
        let network = self.find(&open.ledger, name).map_err(Problem::NotFound)?.clone();
        let members: Vec<String> = open
            .ledger
            .members(&network.id)
            .map(|it| format!("name:{:?} id:{:?}", it.name, it.id.get(..12).unwrap_or(&it.id)))
            .collect();
        if !members.is_empty() {
            return Err(Problem::Conflict(
                Error::new(format!(
                    "error while removing network: network {name} has active endpoints ({})",
                    members.join(", ")
                ))
                .why("containers that run are in it")
                .fix(format!(
                    "stop them, or take them out: mini-docker network disconnect {name} CONTAINER"
                )),
            ));
        }
        open.ledger.networks.retain(|it| it.id != network.id);
        self.settle(&mut open)?;
        Ok(network)
    }

    /// The network that somebody means: by name, ID, or the first digits of an ID.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn find<'l>(&self, ledger: &'l Ledger, name: &str) -> Result<&'l Network> {
        if let Some(network) = named(ledger, name) {
            return Ok(network);
        }
        let not_found = || {
            Error::new(format!("network {name} not found"))
                .why("no name and no ID of a network is like that")
                .fix("mini-docker network ls shows all; make it with mini-docker network create")
        };
        let mut by_id =
            ledger.networks.iter().filter(|it| !name.is_empty() && it.id.starts_with(name));
        match (by_id.next(), by_id.next()) {
            (Some(network), None) => Ok(network),
            (Some(_), Some(_)) => Err(Error::new(format!("network {name} is ambiguous"))
                .why("several IDs begin like that")
                .fix("give more digits, or the name")),
            (None, _) => Err(not_found()),
        }
    }

    /// As [`Networks::find`]; the default network is made if it is not there.
    ///
    /// # Errors
    /// As [`Networks::find`].
    pub(super) fn find_or_default(&self, ledger: &mut Ledger, name: &str) -> Result<Network> {
        if name == DEFAULT && named(ledger, DEFAULT).is_none() {
            let network = self.default_network(ledger)?;
            ledger.networks.insert(0, network);
        }
        self.find(ledger, name).cloned()
    }

    /// The default network, as it is going to be.
    ///
    /// # Errors
    /// When no subnet is free.
    pub fn default_network(&self, ledger: &Ledger) -> Result<Network> {
        let taken: Vec<_> =
            Links::here()?.destinations().into_iter().chain(ledger.subnets()).collect();
        Ok(Network {
            name: DEFAULT.into(),
            bridge: "mini0".into(),
            pools: vec![Pool::of(free_subnet(&taken)?)],
            ..Network::nothing(self.predefined_id(DEFAULT))
        })
    }

    /// A network that nobody has made, and that is no bridge: `host` or `none`.
    pub fn predefined(&self, name: &str) -> Network {
        Network { name: name.into(), ..Network::nothing(self.predefined_id(name)) }
    }

    /// The ID of a network that nobody has made.
    fn predefined_id(&self, name: &str) -> String {
        hex(&[self.tag.as_bytes(), name.as_bytes()])
    }
}

fn named<'l>(ledger: &'l Ledger, name: &str) -> Option<&'l Network> {
    ledger.networks.iter().find(|network| network.name == name)
}

fn network(ledger: &Ledger, wanted: &Definition) -> Result<Network, Problem> {
    let has = |ipv6: bool| wanted.subnets.iter().any(|it| it.subnet.addr().is_ipv6() == ipv6);
    let mut pools = Vec::new();
    if !has(false) {
        // The first one is the default network's, also while nobody is in it.
        let taken = Links::here()?.destinations().into_iter().chain(ledger.subnets());
        let taken = taken.chain([free_subnet(&[])?]);
        pools.push(Pool::of(free_subnet(&taken.collect::<Vec<_>>())?));
    }
    for subnet in &wanted.subnets {
        pools.push(chosen(ledger, subnet)?);
    }
    if wanted.ipv6 && !has(true) {
        pools.push(Pool::of(unique_local(&wanted.id)));
    }
    let bridge = wanted.options.get("com.docker.network.bridge.name").cloned();
    let bridge = bridge.unwrap_or_else(|| format!("br-{}", wanted.id.get(..12).unwrap_or("0")));
    if bridge.is_empty() || bridge.len() >= libc::IFNAMSIZ || bridge.contains(['/', ':', ' ']) {
        return Err(Problem::Invalid(
            Error::new(format!("invalid bridge name {bridge:?}"))
                .why("an interface has at most 15 letters, without slash, colon and space"),
        ));
    }
    Ok(Network {
        id: wanted.id.clone(),
        name: wanted.name.clone(),
        created: wanted.created.clone(),
        bridge,
        pools,
        internal: wanted.internal,
        ipv6: wanted.ipv6 || has(true),
        attachable: wanted.attachable,
        options: wanted.options.clone(),
        labels: wanted.labels.clone(),
    })
}

fn chosen(ledger: &Ledger, wanted: &Subnet) -> Result<Pool, Problem> {
    let subnet = wanted.subnet.trunc();
    let invalid = |what: String, why: &str| Problem::Invalid(Error::new(what).why(why));
    if let Some(other) =
        ledger.networks.iter().find(|it| it.pools.iter().any(|pool| overlap(pool.subnet, subnet)))
    {
        return Err(Problem::Conflict(
            Error::new("Pool overlaps with other one on this address space")
                .why(format!("{subnet} has addresses of the network {}", other.name))
                .fix("choose another --subnet, or remove the other network"),
        ));
    }
    let pool = Pool::of(subnet);
    let gateway = wanted.gateway.unwrap_or(pool.gateway);
    if !subnet.contains(&gateway) {
        return Err(invalid(
            format!("no matching subnet for gateway {gateway}"),
            "a gateway is in the same network as those who use it",
        ));
    }
    if let Some(range) = wanted.range.filter(|it| !subnet.contains(it)) {
        return Err(invalid(
            format!("no matching subnet for range {range}"),
            "addresses are given from a part of the subnet",
        ));
    }
    Ok(Pool { gateway, range: wanted.range, chosen: true, ..pool })
}
