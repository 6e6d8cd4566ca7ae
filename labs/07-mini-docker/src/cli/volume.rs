//! volume.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
};

use ground::{Error, Result};
use mini_docker::{engine::Engine, volume::Volume as Known};
use serde_json::{Value, json};

use super::{
    args::{Format, Volume, VolumeCreate, VolumeLs, VolumePrune},
    create::{no_such_driver, pair},
    each,
    output::{line, size, table},
};

/// `volume`
pub fn volume(engine: &Engine, args: Volume) -> Result<ExitCode> {
    match args {
        Volume::Create(it) => create(engine, &it)?,
        Volume::Ls(it) => ls(engine, &it)?,
        Volume::Inspect { names } => return inspect(engine, &names),
        Volume::Rm { force, names } => {
            return Ok(each(&names, |name| {
                match engine.volume_rm(name) {
                    Err(error) if force && error.kind == mini_docker::engine::Kind::NotFound => {}
                    removed => removed?,
                }
                Ok(line(name)?)
            }));
        }
        Volume::Prune(it) => prune(engine, &it)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(engine: &Engine, args: &VolumeCreate) -> Result<()> {
    if args.driver != "local" {
        return Err(no_such_driver(&args.driver));
    }
    let name = engine.volume_create(Known {
        name: args.name.clone(),
        labels: args.label.iter().map(|text| pair(text)).collect(),
        options: args.opt.iter().map(|text| pair(text)).collect(),
        ..Known::default()
    })?;
    line(name)
}

fn ls(engine: &Engine, args: &VolumeLs) -> Result<()> {
    let filters = Filter::parse(&args.filter, &["dangling", "driver", "label", "name"])?;
    let users = engine.volume_users()?;
    let mut volumes = engine.volumes()?;
    volumes.retain(|it| {
        let is_used = users.contains_key(&it.name);
        filters.iter().all(|filter| filter.fits(it, is_used))
    });
    if args.quiet {
        return volumes.iter().try_for_each(|it| line(&it.name));
    }
    match args.format {
        Format::Table => {
            let rows: Vec<_> =
                volumes.iter().map(|it| vec!["local".into(), it.name.clone()]).collect();
            table(&["DRIVER", "VOLUME NAME"], &rows)
        }
        Format::Json => volumes.iter().try_for_each(|it| line(row(engine, it).to_string())),
    }
}

/// Docker's fields of a row.
fn row(engine: &Engine, volume: &Known) -> Value {
    let labels = volume.labels.iter().map(|(name, value)| format!("{name}={value}"));
    json!({
        "Availability": "N/A", "Driver": "local", "Group": "N/A",
        "Labels": labels.collect::<Vec<_>>().join(","), "Links": "N/A",
        "Mountpoint": engine.layout().volume_data(&volume.name), "Name": volume.name,
        "Scope": "local", "Size": "N/A", "Status": "N/A",
    })
}

fn inspect(engine: &Engine, names: &[String]) -> Result<ExitCode> {
    let mut found = Vec::new();
    let code = each(names, |name| {
        found.push(described(engine, &engine.volume(name)?));
        Ok(())
    });
    line(format!("{:#}", json!(found)))?;
    Ok(code)
}

fn described(engine: &Engine, volume: &Known) -> Value {
    // As in Docker, nothing said is null, and not an empty list.
    let pairs = |map: &std::collections::BTreeMap<String, String>| match map.is_empty() {
        true => Value::Null,
        false => json!(map),
    };
    json!({
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": pairs(&volume.labels),
        "Mountpoint": engine.layout().volume_data(&volume.name),
        "Name": volume.name,
        "Options": pairs(&volume.options),
        "Scope": "local",
    })
}

fn prune(engine: &Engine, args: &VolumePrune) -> Result<()> {
    let filters = Filter::parse(&args.filter, &["all", "label", "label!"])?;
    let all = args.all || filters.iter().any(|it| it.name == "all" && it.is_true());
    let what = if all { "all" } else { "anonymous" };
    let warning = format!(
        "WARNING! This will remove {what} local volumes not used by at least one container."
    );
    if !args.force && !confirmed(&warning)? {
        return Ok(());
    }
    let pruned = engine
        .volume_prune(all, |volume| filters.iter().all(|filter| filter.fits(volume, false)))?;
    if !pruned.names.is_empty() {
        line("Deleted Volumes:")?;
        pruned.names.iter().try_for_each(line)?;
        line("")?;
    }
    line(format!("Total reclaimed space: {}", size(pruned.bytes)))
}

/// Asks a person. Nobody there means no.
fn confirmed(warning: &str) -> Result<bool> {
    let cannot = |error: io::Error| Error::new("cannot ask").io("write", &error);
    let mut stdout = io::stdout().lock();
    write!(stdout, "{warning}\nAre you sure you want to continue? [y/N] ").map_err(cannot)?;
    stdout.flush().map_err(cannot)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(cannot)?;
    Ok(matches!(answer.trim(), "y" | "Y"))
}

/// `NAME=VALUE` of `--filter`.
struct Filter {
    name: String,
    value: String,
}

impl Filter {
    fn parse(texts: &[String], known: &[&str]) -> Result<Vec<Self>> {
        let one = |text: &String| {
            let (name, value) = pair(text);
            match known.contains(&name.as_str()) {
                true => Ok(Self { name, value }),
                false => Err(Error::new(format!("invalid filter '{name}'"))
                    .fix(format!("known are {}", known.join(", ")))
                    .exit_code(1)),
            }
        };
        texts.iter().map(one).collect()
    }

    fn is_true(&self) -> bool {
        matches!(self.value.as_str(), "true" | "1")
    }

    fn fits(&self, volume: &Known, is_used: bool) -> bool {
        let has_label = || {
            let (name, value) = self.value.split_once('=').unwrap_or((&self.value, ""));
            let found = volume.labels.get(name);
            found.is_some_and(|found| value.is_empty() || found == value)
        };
        match self.name.as_str() {
            "dangling" => self.is_true() != is_used,
            "driver" => self.value == "local",
            "label" => has_label(),
            "label!" => !has_label(),
            "name" => volume.name.contains(&self.value),
            _ => true,
        }
    }
}
