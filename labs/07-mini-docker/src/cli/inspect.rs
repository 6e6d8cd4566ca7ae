//! inspect: everything, as JSON in Docker's shape.

use std::process::ExitCode;

use ground::Result;
use mini_docker::{
    container::{Record, Source, Status},
    engine::{Engine, Kind},
};
use serde_json::{Value, json};

use super::{args::Inspect, host_config::host_config, network_settings, output::line};

/// `inspect`
pub fn inspect(engine: &Engine, args: &Inspect) -> Result<ExitCode> {
    let mut found = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for name in &args.names {
        match one(engine, name, args.kind.as_deref()) {
            Ok(value) => found.push(value),
            Err(error) => {
                crate::report(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    line(format!("{:#}", json!(found)))?;
    Ok(code)
}

fn one(engine: &Engine, name: &str, kind: Option<&str>) -> Result<Value> {
    if kind != Some("image") {
        match engine.container(name) {
            Err(error) if error.kind == Kind::NotFound && kind.is_none() => {}
            record => return Ok(container(engine, &engine.truth(record?))),
        }
    }
    match engine.image_config(name) {
        Err(error) if error.kind == Kind::NotFound && kind.is_none() => {
            Err(ground::Error::new(format!("No such object: {name}"))
                .why("no container and no image is called like that")
                .fix("mini-docker ps -a and mini-docker images show what is here"))
        }
        found => {
            let (image, config) = found?;
            let names = image.references.iter();
            let (tags, digests): (Vec<_>, Vec<_>) = names
                .map(|name| (name.familiar(), name.tag().is_some()))
                .partition(|(_, tag)| *tag);
            let names = |list: Vec<(String, bool)>| -> Vec<String> {
                list.into_iter().map(|(name, _)| name).collect()
            };
            Ok(json!({
                "Id": image.id, "RepoTags": names(tags), "RepoDigests": names(digests),
                "Created": config.created, "Author": config.author.unwrap_or_default(),
                "Config": config.config, "Architecture": config.architecture, "Os": config.os,
                "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
                "Descriptor": image.manifest,
            }))
        }
    }
}

fn container(engine: &Engine, record: &Record) -> Value {
    let words = mini_docker::bundle::words(&record.config);
    let layout = engine.layout().container(&record.id);
    let ledger = engine.ledger().unwrap_or_default();
    json!({
        "Id": record.id,
        "Created": record.created,
        "RestartCount": record.state.restart_count,
        "Path": words.first(),
        "Args": words.get(1..),
        "State": state(record),
        "Image": record.image.id,
        "ResolvConfPath": layout.bundle().join("resolv.conf"),
        "HostnamePath": layout.bundle().join("hostname"),
        "HostsPath": layout.bundle().join("hosts"),
        "LogPath": layout.log(),
        "Name": format!("/{}", record.name),
        "Driver": "overlay",
        "HostConfig": host_config(record),
        "GraphDriver": { "Name": "overlay", "Data": {
            "UpperDir": layout.upper(), "WorkDir": layout.work(), "MergedDir": layout.merged(),
        }},
        "Mounts": mounts(engine, record),
        "NetworkSettings": network_settings::value(&ledger, record),
        "Config": config(record),
    })
}

fn state(record: &Record) -> Value {
    let state = &record.state;
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let mut shown = json!({
        "Status": state.status.as_str(),
        "Running": state.status.is_up(),
        "Paused": state.status == Status::Paused,
        "Restarting": state.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": state.pid.unwrap_or(0),
        "ExitCode": state.exit_code,
        "Error": state.error.clone().unwrap_or_default(),
        "StartedAt": state.started.as_deref().unwrap_or(NEVER),
        "FinishedAt": state.finished.as_deref().unwrap_or(NEVER),
        "MonitorPid": state.monitor.as_ref().map(|monitor| monitor.pid),
    });
    // Docker leaves it out where nothing is checked.
    if let Some(health) = &state.health {
        shown["Health"] = json!(health);
    }
    shown
}

fn mounts(engine: &Engine, record: &Record) -> Vec<Value> {
    record
        .options
        .mounts
        .iter()
        .map(|mount| {
            let (kind, name, source) = match &mount.source {
                Source::Bind(path) => ("bind", "", path.clone()),
                Source::Volume { name, .. } => {
                    ("volume", name.as_str(), engine.layout().volume_data(name))
                }
                Source::Tmpfs(_) => ("tmpfs", "", "".into()),
            };
            let driver = if kind == "volume" { "local" } else { "" };
            json!({
                "Type": kind, "Name": name, "Source": source, "Destination": mount.destination,
                "Driver": driver, "Mode": if mount.read_only { "ro" } else { "" },
                "RW": !mount.read_only,
                "Propagation": match kind {
                    "bind" => mount.propagation.as_deref().unwrap_or("rprivate"),
                    _ => "",
                },
            })
        })
        .collect()
}

fn config(record: &Record) -> Value {
    let mut config = json!(record.config);
    config["Hostname"] = json!(record.options.hostname.as_deref().unwrap_or(record.short_id()));
    config["Domainname"] = json!(record.options.domainname.as_deref().unwrap_or_default());
    config["Tty"] = json!(record.options.tty);
    config["OpenStdin"] = json!(record.options.interactive);
    config["StdinOnce"] = json!(record.options.stdin_once);
    config["Image"] = json!(record.image.name);
    config
}
