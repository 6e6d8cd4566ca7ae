//! The host's side: bridges, settings and rules, made to look like the ledger.
//!
//! A bridge exists while somebody is in its network, a rule while there is a bridge, and a setting
//! goes back to what it was when the last one goes: a machine without containers is as it was
//! before. What is going to be made is written down first, so that it is known to whoever finds it.

use std::net::IpAddr;

use ground::{Error, Result};
use ipnet::IpNet;

use super::{
    firewall::{self, Applied},
    forwarding,
    ipam::{Pool, free_subnet, mac, mac_of, overlap},
    ledger::{Host, Ledger, Network, Open, Rules},
    link::{Bridge, Links},
    netns::Netns,
    parting::Parting,
    rules::Plan,
};

/// How many stores may have a default bridge on one machine.
const BRIDGES: usize = 100;

/// Makes what the ledger says, and takes away what it does not say any more. Idempotent.
///
/// What needs the bridges and no rules is done `meanwhile`: a program reads those. What is taken away
/// is out of sight when this returns, and the kernel may not have done with it yet.
///
/// # Errors
/// What the kernel or the program with the rules said, or else what kept `meanwhile` from it.
pub fn settle<T>(
    open: &mut Open<'_>,
    tag: &str,
    meanwhile: impl FnOnce(&Ledger) -> Result<T>,
) -> Result<(T, Vec<Parting>)> {
    forget_another_boot(&mut open.ledger)?;
    let used = used(&open.ledger);
    let host = &open.ledger.host;
    if used.is_empty() && host.bridges.is_empty() && host.settings.is_empty() {
        open.ledger.gone.clear();
        open.write()?;
        return Ok((meanwhile(&open.ledger)?, Vec::new()));
    }
    let _turn = forwarding::turn()?;
    let links = Links::here()?;
    // Before interfaces go: a removal holds the lock of all that has to do with networks (rtnl) for
    // tens of milliseconds, and who changes this setting waits for it.
    let restored = if used.is_empty() { forwarding::switch_back(open, tag) } else { Ok(()) };
    // The kernel takes its time to remove a namespace, and its interfaces would answer so long.
    let mut partings = Vec::new();
    for endpoint in &open.ledger.gone {
        partings.extend(Links::begin_to_remove(&endpoint.veth)?);
    }
    for id in used {
        make_bridge(open, &links, &id, tag)?;
    }
    let needed = [false, true].map(|ipv6| leads_out(&open.ledger, ipv6));
    forwarding::switch_on(open, &links, (tag, needed))?;
    partings.extend(remove_rules(open, tag)?);
    let (applied, rules) = begin_rules(open, tag)?;
    let (stay, go) = bridges(&open.ledger);
    for bridge in go {
        partings.extend(Links::begin_to_remove(&bridge)?);
    }
    let done = meanwhile(&open.ledger);
    applied.wait()?;
    open.ledger.host.rules = rules;
    partings.iter().try_for_each(Parting::out_of_sight)?;
    open.ledger.gone.clear();
    open.ledger.host.bridges = stay;
    restored?;
    open.write()?;
    Ok((done?, partings))
}

/// In another namespace, or after a boot, nothing of what we made is there.
fn forget_another_boot(ledger: &mut Ledger) -> Result<()> {
    let here = Netns::own()?.name()?;
    if ledger.host.namespace != here {
        ledger.host = Host { namespace: here, ..Host::default() };
        ledger.gone.clear();
    }
    Ok(())
}

/// The networks that somebody is in.
fn used(ledger: &Ledger) -> Vec<String> {
    let is_used = |network: &&Network| ledger.members(&network.id).next().is_some();
    ledger.networks.iter().filter(is_used).map(|network| network.id.clone()).collect()
}

fn make_bridge(open: &mut Open<'_>, links: &Links, id: &str, tag: &str) -> Result<()> {
    let Some(network) = open.ledger.network(id).cloned() else { return Ok(()) };
    if open.ledger.host.bridges.contains(&network.bridge) && links.find(&network.bridge)?.is_some()
    {
        return Ok(());
    }
    let network = match network.is_default() {
        true => on_free_ground(open, links, network)?,
        false => network,
    };
    if let Some(there) = links.find(&network.bridge)? {
        if !forwarding::is_of(&there, tag) {
            return Err(Error::new(format!("cannot make the bridge {}", network.bridge))
                .why("an interface of that name is there, and it is not ours")
                .fix("remove the network and make it again, with another name for its bridge"));
        }
        links.remove(&network.bridge)?;
    }
    check_subnets(links, &network)?;
    open.ledger.host.bridges.push(network.bridge.clone());
    open.write()?;
    let note = forwarding::note(tag, &open.ledger.host.settings);
    let gateway = network.pools.iter().find_map(|pool| match pool.gateway {
        IpAddr::V4(gateway) => Some(mac(gateway)),
        IpAddr::V6(_) => None,
    });
    let bridge = links.add_bridge(Bridge {
        name: &network.bridge,
        note: &note,
        mac: gateway.unwrap_or_else(|| mac_of(&network.id)),
        mtu: network.mtu(),
    })?;
    for pool in &network.pools {
        links.add_address(&bridge, address(pool.gateway, pool)?)?;
    }
    Ok(())
}

/// A machine that is in two networks with the same addresses reaches only one of them. Ours do not
/// overlap with each other; another store's, or Docker's, may.
fn check_subnets(links: &Links, network: &Network) -> Result<()> {
    let there = links.own_networks();
    let both = network.pools.iter().find_map(|pool| {
        there.iter().find(|other| overlap(pool.subnet, **other)).map(|other| (pool.subnet, other))
    });
    both.map_or(Ok(()), |(subnet, other)| {
        Err(Error::new(format!("cannot make the bridge {}", network.bridge))
            .why(format!("{subnet} has addresses of {other}, and this machine is in that already"))
            .fix("see whose it is (ip route), or make the network again with another --subnet"))
    })
}

/// An address with the mask of its network, as an interface wants it.
///
/// # Errors
/// None: the mask is one already.
pub fn address(address: IpAddr, pool: &Pool) -> Result<IpNet> {
    IpNet::new(address, pool.subnet.prefix_len())
        .map_err(|_| Error::new(format!("{} is no network", pool.subnet)))
}

/// The default network belongs to nobody before it is used, so its bridge's name and its subnet may
/// give way to what somebody else has made meanwhile.
fn on_free_ground(open: &mut Open<'_>, links: &Links, network: Network) -> Result<Network> {
    let there = links.all()?;
    let is_free = |name: &String| !there.iter().any(|link| link.name == *name);
    let names = std::iter::once(network.bridge.clone());
    let mut names = names.chain((0..BRIDGES).map(|number| format!("mini{number}")));
    let bridge = names.find(is_free).ok_or_else(|| {
        Error::new("cannot make the default bridge").why("mini0 to mini99 are taken")
    })?;
    let taken = links.destinations();
    let free = |pool: &Pool| !taken.iter().any(|other| overlap(pool.subnet, *other));
    let mut network = Network { bridge, ..network };
    let members: Vec<_> = open.ledger.members(&network.id).map(|it| it.id.clone()).collect();
    if !network.pools.iter().all(free) {
        let others: Vec<_> = open
            .ledger
            .networks
            .iter()
            .filter(|other| other.id != network.id)
            .flat_map(|other| &other.pools)
            .map(|pool| pool.subnet)
            .collect();
        let pool = Pool::of(free_subnet(&[taken, others].concat())?);
        network.pools = vec![pool];
        // Nobody has their addresses yet: the bridge was not there.
        let mut given = Vec::new();
        for endpoint in open.ledger.endpoints.iter_mut().filter(|it| members.contains(&it.id)) {
            let address = pool.allocate(None, &given)?;
            given.push(address);
            if let IpAddr::V4(address) = address {
                endpoint.ipv4 = Some(address);
                endpoint.mac = mac(address);
            }
        }
        let moved: Vec<_> =
            open.ledger.members(&network.id).map(|it| it.container.clone()).collect();
        moved.iter().for_each(|container| open.ledger.lead_anew(container));
    }
    if let Some(own) = open.ledger.networks.iter_mut().find(|it| it.id == network.id) {
        *own = network.clone();
    }
    Ok(network)
}

/// Whether somebody is in a network that leads out, of this family.
fn leads_out(ledger: &Ledger, ipv6: bool) -> bool {
    let mut networks = used(ledger).into_iter().filter_map(|id| ledger.network(&id).cloned());
    networks.any(|it| !it.internal && it.pool(ipv6).is_some())
}

/// Takes the rules away when nobody is in any network any more.
fn remove_rules(open: &mut Open<'_>, tag: &str) -> Result<Option<Parting>> {
    let has = open.ledger.host.firewall.filter(|_| used(&open.ledger).is_empty());
    let Some(program) = has else { return Ok(None) };
    let parting = firewall::remove(program, &plan(&open.ledger, tag))?;
    open.ledger.host.firewall = None;
    Ok(parting)
}

/// Begins to hand the rules to a program, unless it has them; and says which ones it has then.
fn begin_rules(open: &mut Open<'_>, tag: &str) -> Result<(Applied, Rules)> {
    if used(&open.ledger).is_empty() {
        return Ok((Applied::ALREADY, Rules::new()));
    }
    let has = open.ledger.host.firewall;
    let program = has.map_or_else(firewall::find, Ok)?;
    let rules = firewall::rules(program, &plan(&open.ledger, tag));
    if has.is_some() && rules == open.ledger.host.rules {
        return Ok((Applied::ALREADY, rules));
    }
    // Written first: rules that nobody knows of would stay for ever.
    open.ledger.host.firewall = Some(program);
    open.ledger.host.rules.clear();
    open.write()?;
    let applied = firewall::apply(program, &plan(&open.ledger, tag), has.is_none())?;
    Ok((applied, rules))
}

fn plan<'l>(ledger: &'l Ledger, tag: &'l str) -> Plan<'l> {
    Plan { tag, ledger, nothing_else: ledger.host.settings.contains_key(forwarding::IPV4) }
}

/// Our bridges: those that somebody is on, and the others.
fn bridges(ledger: &Ledger) -> (Vec<String>, Vec<String>) {
    let used = used(ledger);
    let wanted: Vec<_> = used.iter().filter_map(|id| ledger.network(id)).collect();
    let is_wanted = |name: &String| wanted.iter().any(|network| network.bridge == *name);
    ledger.host.bridges.iter().cloned().partition(is_wanted)
}
