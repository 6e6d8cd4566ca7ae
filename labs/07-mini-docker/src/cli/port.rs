//! port: which ports of the host lead to a container.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::{
    container::Record,
    engine::Engine,
    network::{Ledger, Published},
};

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
fn published<'l>(ledger: &'l Ledger, record: &Record) -> Vec<&'l Published> {
    let mut all: Vec<_> = ledger.published.iter().filter(|it| it.container == record.id).collect();
    all.sort_by_key(|it| (it.lead.port, it.lead.host_ip));
    all
}

fn host(it: &Published) -> String {
    std::net::SocketAddr::new(it.lead.host_ip, it.lead.host_port).to_string()
}
