//! port, and the ports of a container in other lists.

use std::{collections::BTreeMap, process::ExitCode};

use ground::{Error, Result};
use mini_docker::{
    container::Record,
    engine::{Engine, exposed},
    network::{Ledger, Port, Published},
};
use serde_json::{Value, json};

use super::{network_args::PortOf, output::line};

/// `port`
pub fn port(engine: &Engine, args: &PortOf) -> Result<ExitCode> {
    let record = engine.truth(engine.container(&args.container)?);
    let ledger = engine.ledger()?;
    let all = published(&ledger, &record);
    let Some(wanted) = &args.port else {
        for it in all {
            line(format!("{} -> {}", it.lead.port, host(it)))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let wanted = if wanted.contains('/') { wanted.clone() } else { format!("{wanted}/tcp") };
    let meant: Vec<_> = all.into_iter().filter(|it| it.lead.port.to_string() == wanted).collect();
    if meant.is_empty() {
        return Err(Error::new(format!("No public port '{wanted}' published for {}", record.name))
            .why("it is not published, or the container does not run")
            .fix(format!("mini-docker port {} shows those that are", record.name))
            .exit_code(1));
    }
    meant.iter().try_for_each(|it| line(host(it)))?;
    Ok(ExitCode::SUCCESS)
}

/// What is published of a container, by its ports.
pub fn published<'l>(ledger: &'l Ledger, record: &Record) -> Vec<&'l Published> {
    let mut all: Vec<_> = ledger.published.iter().filter(|it| it.container == record.id).collect();
    all.sort_by_key(|it| (it.lead.port, it.lead.host_ip));
    all
}

fn host(it: &Published) -> String {
    std::net::SocketAddr::new(it.lead.host_ip, it.lead.host_port).to_string()
}

/// The column of `ps`: `0.0.0.0:8080->80/tcp, 53/udp`.
pub fn column(ledger: &Ledger, record: &Record) -> String {
    let all = published(ledger, record);
    let mut words: Vec<String> =
        all.iter().map(|it| format!("{}->{}", host(it), it.lead.port)).collect();
    let is_open = |port: &Port| all.iter().any(|it| it.lead.port == *port);
    if record.state.pid.is_some() {
        words.extend(exposed(record).iter().filter(|it| !is_open(it)).map(Port::to_string));
    }
    words.join(", ")
}

/// `.NetworkSettings.Ports`: each port with the addresses that lead to it, or null.
pub fn value(ledger: &Ledger, record: &Record) -> BTreeMap<String, Value> {
    let mut ports: BTreeMap<String, Value> = BTreeMap::new();
    if record.state.pid.is_some() {
        ports.extend(exposed(record).iter().map(|port| (port.to_string(), Value::Null)));
    }
    for it in published(ledger, record) {
        let lead = json!({
            "HostIp": it.lead.host_ip, "HostPort": it.lead.host_port.to_string(),
        });
        match ports.entry(it.lead.port.to_string()).or_insert(Value::Null) {
            Value::Array(leads) => leads.push(lead),
            empty => *empty = json!([lead]),
        }
    }
    ports
}
