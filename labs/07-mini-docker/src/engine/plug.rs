//! plug: a container that was created gets its networks, before its program begins.
//!
//! The monitor does this when the runtime has made the container's namespaces and its first process
//! waits in them. Where there is no bridge to plug it into, nothing happens.
//!
//! An ordinary user's container in the default network alone is *carried*: a program of the user's
//! leads out of it (`usermode`). In networks of the user's own it is plugged into bridges as root's is,
//! in a network namespace that all of the store's containers share (`holder`).

use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Child,
};

use ground::{Error, Result};
use namespaces::pidfd;
use nix::{
    sys::{
        signal::Signal,
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::{Pid, geteuid},
};

use serde::{Deserialize, Serialize};

use super::{
    links,
    network::{joins, netns},
    porters,
};
use crate::{
    bundle::{self, Neighbourhood},
    container::{Identity, Network, Record},
    layout::Layout,
    network::{
        DEFAULT, Endpoint, Ground, Lead, Ledger, Networks, Port, Protocol, Publish, Tenant,
        Tenants, porter, resolver, usermode,
    },
    snapshot::Mapped,
};

/// Where the resolver answers, in each container's own network namespace; Docker's address.
pub const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// What a container has of networks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Plug {
    /// The processes that answer for it.
    attendants: Vec<Identity>,
    /// Whether it was told of as in `host` or `none`: the ledger has no line for those.
    is_told: bool,
}

impl Plug {
    /// Gives the container its interfaces, ports and names.
    ///
    /// # Errors
    /// No such network, an address or a port that is taken, what the kernel said.
    pub fn put_in(&mut self, layout: &Layout, record: &Record, pid: Pid) -> Result<()> {
        let connection = &record.options.connection;
        if record.options.network != Network::Bridge {
            self.is_told = tell_of_predefined(layout, record, "connect");
            return Ok(());
        }
        let netns = PathBuf::from(format!("/proc/{pid}/ns/net"));
        let is_user = ground() != Ground::Host;
        if is_user && is_carried(record) {
            return self.carry(layout, record, &netns);
        }
        let leads = self.open_ports(layout, record, is_user.then_some(netns.as_path()))?;
        let tenant = Tenant { id: &record.id, name: &record.name, netns: &netns };
        let (endpoints, ledger) = with_networks(layout, |networks| -> Result<_> {
            let endpoints = networks.enter(tenant, &connection.attachments, &leads)?;
            Ok((endpoints, networks.look()?))
        })?;
        tell(layout, record, &ledger, ("connect", &endpoints));
        if needs_resolver(&ledger, record) {
            self.attend(&resolver::start(&resolver_for(layout, record, &netns))?)?;
        }
        bundle::write_names(record, layout, &around(layout, &ledger, record)?)
    }

    /// As [`Plug::put_in`], for an ordinary user's container in no network but the default one: a
    /// program of the user's carries all for it alone.
    fn carry(&mut self, layout: &Layout, record: &Record, netns: &Path) -> Result<()> {
        let (carrier, address) = usermode::start(netns)?;
        self.attend(&carrier)?;
        let leads = self.open_ports(layout, record, Some(netns))?;
        let ledger = with_networks(layout, |networks| {
            networks.carry(&record.id, &leads, address)?;
            networks.look()
        })?;
        self.attend(&resolver::start(&resolver_for(layout, record, netns))?)?;
        bundle::write_names(record, layout, &around(layout, &ledger, record)?)
    }

    /// The container has ended: nothing of its networks stays.
    ///
    /// # Errors
    /// What the kernel said about the host's side.
    pub fn pull_out(&mut self, layout: &Layout, record: &Record) -> Result<()> {
        if record.options.network != Network::Bridge {
            if std::mem::take(&mut self.is_told) {
                tell_of_predefined(layout, record, "disconnect");
            }
            return Ok(());
        }
        for attendant in self.attendants.drain(..) {
            end(&attendant);
        }
        // Its port is to be free when we say that the container has ended, also where it is not the one
        // that we have started.
        porters::end(layout, &record.id);
        let ledger = crate::network::ledger::read(layout)?;
        with_networks(layout, |networks| networks.leave(&record.id))?;
        let endpoints: Vec<_> = ledger.of_container(&record.id).cloned().collect();
        tell(layout, record, &ledger, ("disconnect", &endpoints));
        Ok(())
    }

    fn attend(&mut self, attendant: &Child) -> Result<()> {
        let pid = i32::try_from(attendant.id()).unwrap_or(0);
        self.attendants.push(Identity::of(Pid::from_raw(pid))?);
        Ok(())
    }

    /// What is to be known when the monitor has forgotten everything else; one line.
    pub fn note(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was [noted](Self::note).
    pub fn recall(note: &str) -> Self {
        serde_json::from_str(note).unwrap_or_default()
    }

    fn open_ports(
        &mut self,
        layout: &Layout,
        record: &Record,
        inside: Option<&Path>,
    ) -> Result<Vec<Lead>> {
        let ports = published(record);
        if ports.is_empty() {
            return Ok(Vec::new());
        }
        let request = porter::Request {
            root: layout.root().to_owned(),
            container: record.id.clone(),
            monitor: Pid::this().as_raw(),
            ports,
            inside: inside.map(Path::to_owned),
        };
        // A port whose porter somebody killed looks free. Of our own an earlier monitor may have left one.
        porters::end(layout, &record.id);
        porters::mend_all(layout, &record.id);
        let (porter, leads) =
            porter::start(&request).map_err(|error| port_taken(layout, record, error))?;
        self.attend(&porter)?;
        porters::write_down(layout, &record.id, &porter)?;
        Ok(leads)
    }
}

/// Writes down what happened to the container's networks.
fn tell(layout: &Layout, record: &Record, ledger: &Ledger, what: (&str, &[Endpoint])) {
    let (action, endpoints) = what;
    for network in endpoints.iter().filter_map(|it| ledger.network(&it.network)) {
        joins(network, action, record).record(&layout.events());
    }
}

/// Writes down what happened to a container in a network that is nothing but a name. Says whether it
/// is in one.
fn tell_of_predefined(layout: &Layout, record: &Record, action: &str) -> bool {
    let name = match record.options.network {
        Network::Host => "host",
        Network::None => "none",
        Network::Bridge | Network::Container(_) => return false,
    };
    let network = with_networks(layout, |networks| networks.predefined(name));
    joins(&network, action, record).record(&layout.events());
    true
}

/// Ends an attendant, and waits: its ports are to be free when we say that the container has ended.
pub(super) fn end(attendant: &Identity) {
    let Some(pidfd) = attendant.open() else { return };
    let _ = pidfd::send_signal(&pidfd, Signal::SIGKILL);
    let _ = waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED);
}

/// Docker's words, and whose the port is where that is one of ours.
fn port_taken(layout: &Layout, record: &Record, error: Error) -> Error {
    let ledger = crate::network::ledger::read(layout).unwrap_or_default();
    let what = error.what.trim_start_matches("failed to bind port ").to_owned();
    let (address, _) = what.rsplit_once('/').unwrap_or((&what, ""));
    let is_it = |lead: &Lead| {
        address == std::net::SocketAddr::new(lead.host_ip, lead.host_port).to_string()
    };
    let endpoint =
        format!("driver failed programming external connectivity on endpoint {}", record.name);
    let owner = ledger.published.iter().find(|it| it.container != record.id && is_it(&it.lead));
    let owner = owner.and_then(|it| Record::read(&layout.container(&it.container)).ok().flatten());
    match owner {
        Some(owner) => Error {
            what: format!("{endpoint}: Bind for {address} failed: port is already allocated"),
            why: Some(format!("the container {} has it", owner.name)),
            fix: Some(format!(
                "stop that one (mini-docker stop {}), or publish another port of the host",
                owner.name
            )),
            ..error
        },
        None => Error { what: format!("{endpoint}: {}", error.what), ..error },
    }
}

/// Every port that is to be published: those that were named, and with `-P` all others that the
/// image or the user exposes.
pub(super) fn published(record: &Record) -> Vec<Publish> {
    let connection = &record.options.connection;
    let mut all = connection.publish.clone();
    if connection.publish_all {
        for port in exposed(record) {
            if !all.iter().any(|publish| publish.port == port) {
                all.push(Publish { host_ip: None, host_ports: None, port });
            }
        }
    }
    all
}

/// The ports that the image or the user says the program listens on.
pub fn exposed(record: &Record) -> Vec<Port> {
    let of_image = record.config.exposed_ports.iter().flatten().filter_map(|(text, _)| {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp };
        Some(Port { number: number.parse().ok()?, protocol })
    });
    let connection = &record.options.connection;
    let of_user = connection.expose.iter().copied();
    let published = connection.publish.iter().map(|publish| publish.port);
    let mut all: Vec<_> = of_image.chain(of_user).chain(published).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether a user's container is in no network but the default one.
pub(super) fn is_carried(record: &Record) -> bool {
    let attachments = &record.options.connection.attachments;
    !attachments.is_empty() && attachments.iter().all(|it| it.network == DEFAULT)
}

/// Does something with the networks of a store.
pub(super) fn with_networks<T>(layout: &Layout, act: impl FnOnce(&Networks<'_>) -> T) -> T {
    act(&Networks::new(layout, &Containers(layout), ground()))
}

/// Where our bridges are made.
pub(super) fn ground() -> Ground {
    match (geteuid().is_root(), Mapped::here().is_all()) {
        (true, true) => Ground::Host,
        (true, false) => Ground::User,
        (false, _) => Ground::Outside,
    }
}

/// What the networks are told of the containers of a store.
struct Containers<'a>(&'a Layout);

impl Containers<'_> {
    fn record(&self, id: &str) -> Option<Record> {
        Record::read(&self.0.container(id)).ok().flatten()
    }
}

impl Tenants for Containers<'_> {
    fn is_watched(&self, container: &str) -> bool {
        let monitor = self.record(container).and_then(|it| it.state.monitor);
        monitor.is_some_and(|monitor| monitor.is_alive())
    }

    fn netns(&self, container: &str) -> Option<PathBuf> {
        netns(&self.record(container)?)
    }
}

/// The path of the network namespace that the container shares, if it shares one.
///
/// # Errors
/// When the other container does not run.
pub(super) fn joined(layout: &Layout, record: &Record) -> Result<Option<String>> {
    let Some(id) = record.options.network.joined() else { return Ok(None) };
    let other = Record::read(&layout.container(id))?;
    let pid = other.as_ref().and_then(|it| it.state.pid).filter(|pid| Identity::runs(*pid));
    let name = other.as_ref().map_or(id, |other| other.name.as_str());
    match pid {
        Some(pid) => Ok(Some(format!("/proc/{pid}/ns/net"))),
        None => Err(Error::new(format!("cannot join network of a non running container: {id}"))
            .why("a network namespace ends with its processes")
            .fix(format!("start the other one first: mini-docker start {name}"))),
    }
}

/// Names are answered in networks that somebody made, and for a container that is carried; and where
/// this host asks itself for names, which from inside would be somebody else.
pub(super) fn needs_resolver(ledger: &Ledger, record: &Record) -> bool {
    let servers = match record.options.connection.dns.as_slice() {
        [] => bundle::name_servers(),
        servers => servers.to_vec(),
    };
    let is_named = |endpoint: &Endpoint| {
        ledger.network(&endpoint.network).is_some_and(|network| !network.is_default())
    };
    ledger.carried.contains_key(&record.id)
        || ledger.of_container(&record.id).any(is_named)
        || servers.iter().any(IpAddr::is_loopback)
}

/// What a resolver for this container is told.
pub(super) fn resolver_for(
    layout: &Layout,
    record: &Record,
    netns: &std::path::Path,
) -> resolver::Request {
    let monitor = record.state.monitor.as_ref().map_or(Pid::this().as_raw(), |it| it.pid);
    resolver::Request {
        root: layout.root().to_owned(),
        container: record.id.clone(),
        monitor,
        netns: netns.to_owned(),
        address: RESOLVER,
        servers: record.options.connection.dns.clone(),
    }
}

/// Who is around a container, from the ledger.
pub(super) fn around(layout: &Layout, ledger: &Ledger, record: &Record) -> Result<Neighbourhood> {
    let first = ledger.entrance(&record.id);
    let network = first.and_then(|endpoint| ledger.network(&endpoint.network));
    let gateway = network.and_then(|it| it.pools.first()).map(|pool| pool.gateway);
    let carried = ledger.carried.get(&record.id).copied();
    let addresses = ledger.of_container(&record.id).flat_map(Endpoint::addresses);
    Ok(Neighbourhood {
        own: carried.into_iter().chain(addresses).collect(),
        others: links::hosts(layout, ledger, record)?,
        gateway: carried.map(|_| usermode::GATEWAY.into()).or(gateway),
        resolver: needs_resolver(ledger, record).then_some(RESOLVER),
    })
}

/// Is the resolver of a container, in a process of its own.
///
/// # Errors
/// When nobody can be told what went wrong.
pub fn resolve() -> Result<()> {
    resolver::run(bundle::name_servers)
}
