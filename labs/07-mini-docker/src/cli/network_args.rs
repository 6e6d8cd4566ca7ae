//! Arguments about networks: those of `run` and `create`, and those of `network` and `port`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::{Args, Subcommand};
use ipnet::IpNet;
use mini_docker::{engine::Filter, network::Publishes};

/// What `run` and `create` are asked about networks.
#[derive(Debug, Args)]
#[command(next_help_heading = "The container's network")]
pub struct NetworkFlags {
    /// Connect the container to a network: bridge, NAME, host, none or container:NAME
    #[arg(long, alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Add a name for the container in its network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Add a name for another container
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub link: Vec<String>,
    /// IPv4 address
    #[arg(long)]
    pub ip: Option<Ipv4Addr>,
    /// IPv6 address
    #[arg(long)]
    pub ip6: Option<Ipv6Addr>,
    /// Hardware address
    #[arg(long, value_name = "MAC")]
    pub mac_address: Option<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "IP")]
    pub dns: Vec<IpAddr>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Set DNS options
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Add a line to /etc/hosts; host-gateway is the host
    #[arg(long, value_name = "NAME:IP")]
    pub add_host: Vec<String>,
    /// Publish a container's port(s) to the host
    #[arg(short = 'p', long, value_name = "[[IP:]HOST:]PORT[/udp]")]
    pub publish: Vec<Publishes>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "PORT[/udp]")]
    pub expose: Vec<String>,
}

/// `network`
#[derive(Debug, Subcommand)]
pub enum Network {
    /// Create a network
    Create(CreateNetwork),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(LsNetworks),
    /// Display detailed information on networks
    Inspect {
        /// Format output: json, or a Go template
        #[arg(short, long, value_name = "FORMAT")]
        format: Option<String>,
        /// The networks
        #[arg(required = true)]
        networks: Vec<String>,
    },
    /// Remove networks
    #[command(visible_alias = "remove")]
    Rm {
        /// Do not error if there is no such network
        #[arg(short, long)]
        force: bool,
        /// The networks
        #[arg(required = true)]
        networks: Vec<String>,
    },
    /// Remove all networks that no container uses
    Prune {
        /// Do not prompt for confirmation
        #[arg(short, long)]
        force: bool,
        /// Provide filter values (label=..)
        #[arg(long, value_name = "FILTER")]
        filter: Vec<Filter>,
    },
    /// Connect a container to a network
    Connect(Connect),
    /// Disconnect a container from a network
    Disconnect {
        /// Force the container to disconnect
        #[arg(short, long)]
        force: bool,
        /// The network
        network: String,
        /// The container
        container: String,
    },
}

/// `network create`
#[derive(Debug, Args)]
pub struct CreateNetwork {
    /// Driver to manage the network
    #[arg(short, long, default_value = "bridge")]
    pub driver: String,
    /// Subnet in CIDR format
    #[arg(long, value_name = "CIDR")]
    pub subnet: Vec<String>,
    /// Gateway for the subnet
    #[arg(long, value_name = "IP")]
    pub gateway: Vec<IpAddr>,
    /// Give addresses from a part of the subnet
    #[arg(long, value_name = "CIDR")]
    pub ip_range: Vec<IpNet>,
    /// Restrict external access to the network
    #[arg(long)]
    pub internal: bool,
    /// Enable IPv6
    #[arg(long)]
    pub ipv6: bool,
    /// Enable manual container attachment (always possible)
    #[arg(long)]
    pub attachable: bool,
    /// Set driver specific options
    #[arg(short, long = "opt", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
    /// Set metadata on the network
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Its name
    pub network: String,
}

/// `network ls`
#[derive(Debug, Args)]
pub struct LsNetworks {
    /// Only display network IDs
    #[arg(short, long)]
    pub quiet: bool,
    /// Do not truncate the output
    #[arg(long)]
    pub no_trunc: bool,
    /// Provide filter values (name=.., driver=.., id=.., label=.., type=..)
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<Filter>,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `network connect`
#[derive(Debug, Args)]
pub struct Connect {
    /// Add a name for the container in the network
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// IPv4 address
    #[arg(long)]
    pub ip: Option<Ipv4Addr>,
    /// IPv6 address
    #[arg(long)]
    pub ip6: Option<Ipv6Addr>,
    /// Add a name for another container
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub link: Vec<String>,
    /// The network
    pub network: String,
    /// The container
    pub container: String,
}

/// `port`
#[derive(Debug, Args)]
pub struct PortOf {
    /// The container
    pub container: String,
    /// One of its ports
    #[arg(value_name = "PRIVATE_PORT[/PROTO]")]
    pub port: Option<String>,
}
