//! network connect, network disconnect: a container that is there goes into a network, or leaves it.

use std::path::PathBuf;

use ground::Error as Report;

use super::{check_addresses, check_default, joins};
use crate::{
    container::{Identity, Network as Mode, Record},
    engine::{Engine, Error, Result},
    network::{Attachment, Endpoint, Network, Tenant},
};

impl Engine {
    /// Puts a container into a network; one that runs gets the interface at once. What was asked for
    /// is written down first: of a command that is killed half-way either nothing is left, or a wish
    /// that the next start, `network connect` or `network disconnect` meets.
    ///
    /// # Errors
    /// [`super::super::Kind::Conflict`] when it is in there, or shares another network namespace;
    /// an address that cannot be had.
    pub fn network_connect(&self, record: &Record, mut wanted: Attachment) -> Result<()> {
        let network = self.network(&wanted.network)?.network;
        if ["host", "none"].contains(&network.name.as_str()) {
            return Err(shares(
                "container cannot be disconnected from host network or connected to host network",
            ));
        }
        match record.options.network {
            Mode::Bridge => {}
            Mode::None => {
                return Err(shares(
                    "container cannot be connected to multiple networks with one of the networks in private (none) mode",
                ));
            }
            Mode::Host | Mode::Container(_) => {
                return Err(shares(
                    "container sharing network namespace with another container or host cannot be connected to any other network",
                ));
            }
        }
        wanted.network.clone_from(&network.name);
        if network.is_default() {
            check_default(&wanted)?;
        } else {
            check_addresses(&wanted, &network)?;
        }
        let netns = netns(record);
        let is_meant = attachment(record, &network.name).is_some();
        let is_in =
            self.endpoint(record, &network.id)?.is_some() || self.is_carried(record, &network)?;
        if is_meant && (is_in || netns.is_none()) {
            return Err(Error::conflict(
                Report::new(format!(
                    "endpoint with name {} already exists in network {}",
                    record.name, network.name
                ))
                .why("a container is in a network once")
                .fix("disconnect it first, to connect it with other addresses or names"),
            ));
        }
        let untold = self.change_names(record)?;
        let asked = self.write_attachment(record, &network.name, Some(wanted.clone()))?;
        if let Some(netns) = netns {
            let tenant = Tenant { id: &record.id, name: &record.name, netns: &netns };
            if let Err(error) = self.with_networks(|networks| networks.connect(tenant, &wanted)) {
                self.write_attachment(record, &network.name, None)?;
                return Err(error.into());
            }
            joins(&network, "connect", record).record(&self.layout.events());
        }
        self.tell_names(&asked, untold)
    }

    /// Writes down how a container wants to be in a network, or that it does not want to be there.
    fn write_attachment(
        &self,
        record: &Record,
        network: &str,
        wanted: Option<Attachment>,
    ) -> Result<Record> {
        Ok(Record::update(&self.container_layout(record), |record| {
            let attachments = &mut record.options.connection.attachments;
            attachments.retain(|it| it.network != network);
            attachments.extend(wanted);
            Ok(record.clone())
        })?)
    }

    /// What the network has of the container.
    fn endpoint(&self, record: &Record, network: &str) -> Result<Option<Endpoint>> {
        let ledger = self.ledger()?;
        Ok(ledger.of_container(&record.id).find(|it| it.network == network).cloned())
    }

    /// Whether an ordinary user's container is in the default network, by a program of the user's.
    fn is_carried(&self, record: &Record, network: &Network) -> Result<bool> {
        Ok(network.is_default() && self.ledger()?.carried.contains_key(&record.id))
    }

    /// Takes a container out of a network; one that runs loses the interface at once. With `force`
    /// also one that is gone, of which something was left.
    ///
    /// # Errors
    /// [`super::super::Kind::NotFound`] when it is not in there.
    pub fn network_disconnect(&self, record: &Record, network: &str, force: bool) -> Result<()> {
        let network = self.network(network)?.network;
        if record.options.network == Mode::Host {
            return Err(shares(
                "container cannot be disconnected from host network or connected to host network",
            ));
        }
        if attachment(record, &network.name).is_none() && !force {
            return Err(Error::not_found(
                Report::new(format!(
                    "container {} is not connected to network {}",
                    record.id, network.name
                ))
                .fix("mini-docker inspect CONTAINER shows its networks"),
            ));
        }
        let untold = self.change_names(record)?;
        let netns = netns(record).unwrap_or_default();
        let tenant = Tenant { id: &record.id, name: &record.name, netns: &netns };
        if let Some(endpoint) = self.endpoint(record, &network.id)? {
            self.with_networks(|networks| networks.disconnect(tenant, &endpoint))?;
            joins(&network, "disconnect", record).record(&self.layout.events());
        } else if self.is_carried(record, &network)? {
            self.with_networks(|networks| networks.cut_off(tenant))?;
        }
        // Last: a command that is killed before can be said again.
        let record = self.write_attachment(record, &network.name, None)?;
        self.tell_names(&record, untold)
    }
}

/// The network namespace of a container that runs.
pub(in crate::engine) fn netns(record: &Record) -> Option<PathBuf> {
    let pid = record.state.pid.filter(|pid| Identity::runs(*pid))?;
    Some(format!("/proc/{pid}/ns/net").into())
}

fn attachment<'r>(record: &'r Record, network: &str) -> Option<&'r Attachment> {
    record.options.connection.attachments.iter().find(|it| it.network == network)
}

fn shares(what: &str) -> Error {
    Error::conflict(
        Report::new(what)
            .why("what kind of network namespace a container has is settled when it is made")
            .fix("make it anew with --network NAME"),
    )
}
