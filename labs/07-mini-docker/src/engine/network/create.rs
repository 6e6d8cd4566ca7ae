//! network create: a network that containers find each other in by name.

use std::collections::BTreeMap;

use ground::Error as Report;

use super::event;
use crate::{
    container::{fresh_id, now},
    engine::{Engine, Error, Result},
    network::{Definition, Network, Subnet},
};

/// What a network is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateNetwork {
    /// Its name.
    pub name: String,
    /// The driver; only `bridge` is known.
    pub driver: String,
    /// Its subnets, at most one of each family; chosen if none.
    pub subnets: Vec<Subnet>,
    /// Whether there is no way out of it.
    pub internal: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// Kept, and shown by `inspect`.
    pub attachable: bool,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// Makes a network. In the kernel it begins with its first container.
    ///
    /// # Errors
    /// [`super::super::Kind::Conflict`]: the name is taken, the subnet overlaps;
    /// [`super::super::Kind::Invalid`]: what makes no sense.
    pub fn network_create(&self, wanted: CreateNetwork) -> Result<Network> {
        check(&wanted)?;
        let definition = Definition {
            name: wanted.name,
            id: fresh_id()?,
            created: now(),
            subnets: wanted.subnets,
            internal: wanted.internal,
            ipv6: wanted.ipv6,
            attachable: wanted.attachable,
            options: wanted.options,
            labels: wanted.labels,
        };
        let network = self.with_networks(|networks| networks.define(&definition))?;
        event(&network, "create").record(&self.layout.events());
        Ok(network)
    }
}

fn check(wanted: &CreateNetwork) -> Result<()> {
    if wanted.driver != "bridge" {
        return Err(Error::not_found(
            Report::new(format!(
                "could not find plugin {} in v1 plugin registry: plugin not found",
                wanted.driver
            ))
            .why("mini-docker has one driver, bridge")
            .fix("leave --driver out"),
        ));
    }
    let word = |c: char| c.is_ascii_alphanumeric();
    let good = wanted.name.starts_with(word)
        && wanted.name.chars().all(|c| word(c) || matches!(c, '_' | '.' | '-'));
    if !good {
        return Err(Error::invalid(
            Report::new(format!("invalid network name: {:?}", wanted.name))
                .why("only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed")
                .fix("choose another name"),
        ));
    }
    Ok(())
}
