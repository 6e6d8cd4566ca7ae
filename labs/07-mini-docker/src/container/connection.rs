//! Connection: how a container wants to be reached, and how it reaches others, as data.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::network::{Attachment, Port, Publish};

/// Everything about a container's network besides its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// The networks that it is in, the one with the default route first.
    pub attachments: Vec<Attachment>,
    /// Which ports of the host lead to it.
    pub publish: Vec<Publish>,
    /// Whether one leads to each of its ports.
    pub publish_all: bool,
    /// Further ports that its program listens on.
    pub expose: Vec<Port>,
    /// Who is asked for names, instead of those whom the host asks.
    pub dns: Vec<IpAddr>,
    /// What short names may end in, instead of what the host has.
    pub dns_search: Vec<String>,
    /// Options of resolv.conf(5).
    pub dns_options: Vec<String>,
    /// Further lines of /etc/hosts.
    pub extra_hosts: Vec<ExtraHost>,
}

/// A line of /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// The address; `None` is `host-gateway`, the host as this container sees it.
    pub address: Option<IpAddr>,
}
