//! network: the verbs about networks, and which of them a container is in.

mod connect;
mod create;
mod names;
mod rm;

use std::collections::BTreeSet;

use ground::Error as Report;
use nix::unistd::geteuid;

pub(super) use connect::netns;
pub use create::CreateNetwork;

use super::{Engine, Error, Kind, Result, plug};
use crate::{
    container::{self, Network as Mode, Record},
    events::{Event, Type},
    network::{Attachment, DEFAULT, Ground, Ledger, Network, Networks, Problem, usermode},
};

/// One network, for a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSummary {
    /// The network. The predefined `host` and `none` have neither bridge nor subnet.
    pub network: Network,
    /// `bridge`, `host` or `null`.
    pub driver: &'static str,
    /// `local`.
    pub scope: &'static str,
    /// Who is in it.
    pub members: Vec<crate::network::Endpoint>,
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Conflict(report) => Self::conflict(report),
            Problem::NotFound(report) => Self::not_found(report),
            Problem::Invalid(report) => Self::invalid(report),
            Problem::Failed(report) => report.into(),
        }
    }
}

impl Engine {
    /// Does something with the networks of this store.
    pub(super) fn with_networks<T>(&self, act: impl FnOnce(&Networks<'_>) -> T) -> T {
        plug::with_networks(&self.layout, act)
    }

    /// Takes away what dead monitors have left in the kernel.
    pub(super) fn sweep_networks(&self) -> Result<()> {
        Ok(self.with_networks(|networks| networks.sweep())?)
    }

    /// Everything that is known about networks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(self.with_networks(|networks| networks.look())?)
    }

    /// Has a container of an ordinary user plugged in again whose network was killed under it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn regain_network(&self, record: &Record) -> Result<()> {
        let is_in_one = record.options.network == Mode::Bridge && record.state.pid.is_some();
        // Who has the rights does it on the way to what they want.
        if is_in_one && !geteuid().is_root() {
            self.ledger()?;
        }
        Ok(())
    }

    /// Why nobody gets out of the networks of a container that is to be started, if so: an ordinary
    /// user's lead out by a program.
    pub fn no_way_out(&self, record: &Record) -> Option<String> {
        let options = &record.options;
        if plug::ground() == Ground::Host || options.network != Mode::Bridge {
            return None;
        }
        // One that is carried is not started without.
        let ledger = self.ledger().ok().filter(|_| !plug::is_carried(record))?;
        let leads_out = |name: &String| {
            ledger.networks.iter().find(|it| it.name == *name).is_none_or(|it| !it.internal)
        };
        let mut attachments = options.connection.attachments.iter();
        attachments.find(|it| leads_out(&it.network))?;
        match ledger.holder.as_ref().filter(|_| ledger.home().is_some()) {
            Some(holder) => holder.no_way_out.clone(),
            None => usermode::find().err().map(|error| error.why.unwrap_or(error.what)),
        }
    }

    /// All networks by name, those that nobody has made among them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn networks(&self) -> Result<Vec<NetworkSummary>> {
        self.with_networks(|networks| summaries(networks, networks.look()?))
    }

    /// The same for a plan: what the dead have left in the kernel stays there.
    fn recorded_networks(&self) -> Result<Vec<NetworkSummary>> {
        self.with_networks(|networks| summaries(networks, networks.recorded()?))
    }

    /// The network that somebody means, by name or by the first digits of its ID.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Invalid`] when the digits fit several.
    pub fn network(&self, name: &str) -> Result<NetworkSummary> {
        named(self.networks()?, name)
    }

    /// Checks that what a container wants from networks can be had, and gives everything its ID.
    ///
    /// # Errors
    /// Networks that are not there, and options that only make sense in other ones.
    pub(super) fn check_networks(&self, options: &mut container::Options) -> Result<()> {
        if let Mode::Container(other) = &options.network {
            let other = self.recorded(other);
            let other = other.map_err(|error| Error::invalid(error.report))?;
            options.hostname =
                Some(other.options.hostname.clone().unwrap_or_else(|| other.short_id().to_owned()));
            options.network = Mode::Container(other.id);
            return Ok(());
        }
        if options.network != Mode::Bridge {
            return Ok(());
        }
        for attachment in &mut options.connection.attachments {
            if attachment.network == DEFAULT {
                check_default(attachment)?;
                continue;
            }
            // Not the kind that means a missing image, which would be pulled.
            let network = named(self.recorded_networks()?, &attachment.network);
            let network = network.map_err(|error| Error::invalid(error.report))?.network;
            check_addresses(attachment, &network)?;
            attachment.network = network.name;
            for link in &attachment.links {
                self.recorded(&link.target)?;
            }
        }
        Ok(())
    }

    /// The names of all networks that a container is in, also one that does not run.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub fn used_networks(&self) -> Result<BTreeSet<String>> {
        let mut records = Record::all(&self.layout)?;
        records.retain(|record| record.options.network == Mode::Bridge);
        let attachments = records.into_iter().flat_map(|it| it.options.connection.attachments);
        Ok(attachments.map(|it| it.network).collect())
    }

    /// The records of all containers in a network, also of those that do not run.
    pub(super) fn users_of(&self, network: &str) -> Result<Vec<Record>> {
        let mut users = Record::all(&self.layout)?;
        users.retain(|record| {
            let connection = &record.options.connection;
            record.options.network == Mode::Bridge
                && connection.attachments.iter().any(|it| it.network == network)
        });
        Ok(users)
    }
}

/// All networks by name, the predefined ones among them.
fn summaries(networks: &Networks<'_>, ledger: Ledger) -> Result<Vec<NetworkSummary>> {
    let mut all = ledger.networks.clone();
    if !all.iter().any(Network::is_default) {
        all.push(networks.default_network(&ledger)?);
    }
    all.extend(["host", "none"].map(|name| networks.predefined(name)));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all.into_iter().map(|network| summary(&ledger, network)).collect())
}

/// The one of them that somebody means, by name or by the first digits of its ID.
fn named(all: Vec<NetworkSummary>, name: &str) -> Result<NetworkSummary> {
    if let Some(network) = all.iter().find(|it| it.network.name == name) {
        return Ok(network.clone());
    }
    let fits = |it: &&NetworkSummary| !name.is_empty() && it.network.id.starts_with(name);
    let fitting: Vec<_> = all.iter().filter(fits).collect();
    match fitting.as_slice() {
        [network] => Ok((*network).clone()),
        [] => Err(Error::not_found(
            Report::new(format!("network {name} not found"))
                .why("no name and no ID of a network is like that")
                .fix("mini-docker network ls shows all; make it with mini-docker network create"),
        )),
        _ => Err(Error::invalid(
            Report::new(format!("network {name} is ambiguous")).fix("give more digits"),
        )),
    }
}

/// Something that happens to a network, as Docker tells it.
fn event(network: &Network, action: &str) -> Event {
    let event = Event::now(Type::Network, action, &network.id);
    event.with("name", &network.name).with("type", driver(network))
}

/// A container comes into a network, or leaves it.
pub(super) fn joins(network: &Network, action: &str, container: &Record) -> Event {
    event(network, action).with("container", &container.id)
}

fn summary(ledger: &Ledger, network: Network) -> NetworkSummary {
    let members = ledger.members(&network.id).cloned().collect();
    NetworkSummary { driver: driver(&network), network, scope: "local", members }
}

/// What kind of network it is, in Docker's words.
fn driver(network: &Network) -> &'static str {
    match network.name.as_str() {
        "host" => "host",
        "none" => "null",
        _ => "bridge",
    }
}

/// The default network has neither names nor addresses of one's choice.
fn check_default(attachment: &Attachment) -> Result<()> {
    let refused = |what: &str| {
        Err(Error::invalid(
            Report::new(what)
                .why("the default network gives addresses by itself, and has no names by DNS")
                .fix("make one (mini-docker network create NAME) and use it: --network NAME"),
        ))
    };
    if !attachment.aliases.is_empty() {
        return refused(
            "network-scoped alias is supported only for containers in user defined networks",
        );
    }
    if attachment.ipv4.is_some() || attachment.ipv6.is_some() {
        return refused("user specified IP address is supported on user defined networks only");
    }
    Ok(())
}

fn check_addresses(attachment: &Attachment, network: &Network) -> Result<()> {
    let wanted = [(false, attachment.ipv4.is_some()), (true, attachment.ipv6.is_some())];
    for (ipv6, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
        if !network.pool(ipv6).is_some_and(|pool| pool.chosen) {
            return Err(Error::new(
                Kind::Invalid,
                Report::new(
                    "user specified IP address is supported only when connecting to networks with \
                     user configured subnets",
                )
                .why(format!(
                    "the subnet of {} was chosen for it, and may be another one tomorrow",
                    network.name
                ))
                .fix("make the network with --subnet 10.200.0.0/24 or one of your choice"),
            ));
        }
    }
    Ok(())
}
