//! network.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use ground::{Error, Result};
use ipnet::IpNet;
use mini_docker::{
    engine::{CreateNetwork, Engine, Filters, Kind, NetworkSummary},
    network::{Attachment, Subnet},
};
use serde_json::{Value, json};
use template::{Method, Value as Cell, to_value};

use super::{
    connection::link,
    create::pair,
    documents::documents,
    each,
    format::{Columns, Format},
    network_args::{Connect, CreateNetwork as CreateFlags, LsNetworks, Network},
    output::{line, stamp},
    prune,
    ps::joined,
};

const COLUMNS: Columns = Columns {
    row: "*formatter.networkContext",
    table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    raw: "",
    headings: &[
        ("CreatedAt", "CREATED AT"),
        ("Driver", "DRIVER"),
        ("ID", "NETWORK ID"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Label", ""),
        ("Labels", "LABELS"),
        ("Name", "NAME"),
        ("Scope", "SCOPE"),
    ],
};

/// `network`
pub fn network(engine: &Engine, args: Network) -> Result<ExitCode> {
    match args {
        Network::Create(flags) => line(engine.network_create(meant(flags)?)?.id)?,
        Network::Ls(flags) => ls(engine, &flags)?,
        Network::Inspect { format, networks } => {
            return documents(format.as_deref(), &networks, |name| document(engine, name));
        }
        Network::Rm { force, networks } => {
            return Ok(each(&networks, |name| match engine.network_rm(name) {
                Err(error) if force && error.kind == Kind::NotFound => Ok(()),
                removed => {
                    removed?;
                    Ok(line(name)?)
                }
            }));
        }
        Network::Prune { force, filter } => prune::networks(engine, force, &filter)?,
        Network::Connect(flags) => connect(engine, flags)?,
        Network::Disconnect { force, network, container } => {
            engine.network_disconnect(&engine.container(&container)?, &network, force)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn connect(engine: &Engine, flags: Connect) -> Result<()> {
    let wanted = Attachment {
        network: flags.network,
        aliases: flags.alias,
        links: flags.link.iter().map(|text| link(text)).collect(),
        ipv4: flags.ip,
        ipv6: flags.ip6,
        mac: None,
    };
    Ok(engine.network_connect(&engine.container(&flags.container)?, wanted)?)
}

fn meant(flags: CreateFlags) -> Result<CreateNetwork> {
    let mut subnets = Vec::new();
    for text in &flags.subnet {
        let subnet: IpNet = text.parse().map_err(|_| {
            Error::new(format!("invalid subnet {text}: invalid CIDR block notation"))
                .fix("write an address and the length of its mask: --subnet 10.200.0.0/24")
        })?;
        subnets.push(Subnet {
            subnet,
            gateway: flags.gateway.iter().copied().find(|it| subnet.contains(it)),
            range: flags.ip_range.iter().copied().find(|it| subnet.contains(it)),
        });
    }
    let is_used = |gateway| subnets.iter().any(|it| it.gateway == Some(gateway));
    if let Some(gateway) = flags.gateway.iter().find(|it| !is_used(**it)) {
        return Err(Error::new(format!("no matching subnet for gateway {gateway}"))
            .fix("give the --subnet that it is in"));
    }
    if flags.ip_range.iter().any(|range| !subnets.iter().any(|it| it.range == Some(*range))) {
        return Err(Error::new("no matching subnet for --ip-range")
            .fix("give the --subnet that it is a part of"));
    }
    let pairs = |list: &[String]| list.iter().map(|text| pair(text)).collect::<BTreeMap<_, _>>();
    Ok(CreateNetwork {
        name: flags.network,
        driver: flags.driver,
        subnets,
        internal: flags.internal,
        ipv6: flags.ipv6,
        attachable: flags.attachable,
        options: pairs(&flags.options),
        labels: pairs(&flags.label),
    })
}

fn ls(engine: &Engine, flags: &LsNetworks) -> Result<()> {
    let format = Format::new(flags.format.as_deref(), &COLUMNS)?.whole(flags.no_trunc);
    let mut networks = engine.networks()?;
    let filters: Filters = flags.filter.iter().cloned().collect();
    filters.check(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
    check_type(&filters)?;
    networks.retain(|it| fits(it, &filters));
    if let Some(wanted) = filters.truth("dangling")? {
        let used = engine.used_networks()?;
        networks.retain(|it| (is_custom(it) && !used.contains(&it.network.name)) == wanted);
    }
    let id = |it: &NetworkSummary| match flags.no_trunc {
        true => it.network.id.clone(),
        false => short(&it.network.id).to_owned(),
    };
    if flags.quiet {
        return networks.iter().try_for_each(|it| line(id(it)));
    }
    let rows: Vec<Cell> = networks.iter().map(|it| row(it, id(it))).collect();
    format.print(&COLUMNS, &rows)
}

/// In docker's words, which are others than those for a filter's other values.
fn check_type(filters: &Filters) -> Result<()> {
    let known = |value: &&String| matches!(value.as_str(), "builtin" | "custom");
    match filters.values("type").iter().find(|value| !known(value)) {
        None => Ok(()),
        Some(value) => Err(Error::new(format!("invalid filter: 'type'='{value}'"))
            .why("a network is there before anybody makes one, or somebody has made it")
            .fix("it can be builtin or custom")),
    }
}

/// Whether somebody made it.
fn is_custom(it: &NetworkSummary) -> bool {
    it.driver == "bridge" && !it.network.is_default()
}

fn fits(it: &NetworkSummary, filters: &Filters) -> bool {
    filters.any("name", |value| it.network.name.contains(value))
        && filters.any("id", |value| it.network.id.starts_with(value))
        && filters.any("driver", |value| it.driver == value)
        && filters.any("scope", |value| it.scope == value)
        && filters.any("type", |value| (value == "custom") == is_custom(it))
        && filters.labels(|name| it.network.labels.get(name).map(String::as_str))
}

fn row(it: &NetworkSummary, id: String) -> Cell {
    let network = &it.network;
    Cell::record(
        COLUMNS.row,
        vec![
            ("CreatedAt", Cell::text(stamp(&network.created))),
            ("Driver", Cell::text(it.driver)),
            ("ID", Cell::text(id)),
            ("IPv6", Cell::text(network.ipv6.to_string())),
            ("Internal", Cell::text(network.internal.to_string())),
            ("Label", Cell::Method(Method::Label(Arc::new(network.labels.clone())))),
            ("Labels", Cell::text(joined(&network.labels))),
            ("Name", Cell::text(network.name.as_str())),
            ("Scope", Cell::text(it.scope)),
        ],
    )
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Everything about a network.
pub fn document(engine: &Engine, name: &str) -> Result<Cell> {
    Ok(to_value(&value(&engine.network(name)?)))
}

/// A network in Docker's shape.
fn value(it: &NetworkSummary) -> Value {
    let network = &it.network;
    let pools = network.pools.iter().map(|pool| {
        let mut value = json!({ "Subnet": pool.subnet, "Gateway": pool.gateway });
        if let Some(range) = pool.range {
            value["IPRange"] = json!(range);
        }
        value
    });
    let containers = it.members.iter().map(|member| {
        let with_mask = |ipv6: bool| {
            let own = member.addresses().find(|ip| ip.is_ipv6() == ipv6);
            let length = network.pool(ipv6).map_or(0, |pool| pool.subnet.prefix_len());
            own.map_or(String::new(), |own| format!("{own}/{length}"))
        };
        let value = json!({
            "Name": member.name, "EndpointID": member.id, "MacAddress": mac(member.mac),
            "IPv4Address": with_mask(false), "IPv6Address": with_mask(true),
        });
        (member.container.clone(), value)
    });
    let mut options = network.options.clone();
    if it.driver == "bridge" {
        options.insert("com.docker.network.bridge.name".into(), network.bridge.clone());
    }
    json!({
        "Name": network.name, "Id": network.id, "Created": network.created, "Scope": it.scope,
        "Driver": it.driver, "EnableIPv4": true, "EnableIPv6": network.ipv6,
        "IPAM": { "Driver": "default", "Options": {}, "Config": pools.collect::<Vec<_>>() },
        "Internal": network.internal, "Attachable": network.attachable, "Ingress": false,
        "ConfigFrom": { "Network": "" }, "ConfigOnly": false,
        "Containers": containers.collect::<BTreeMap<_, _>>(),
        "Options": options, "Labels": network.labels,
    })
}

/// `02:42:ac:11:00:02`
fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}
