//! volume.

use std::{process::ExitCode, sync::Arc};

use ground::{Error, Result};
use mini_docker::{
    engine::{Count, Document, Engine, ObjectKind},
    volume::Volume as Known,
};
use template::{Method, Value, to_value};

use super::{
    args::{Volume, VolumeCreate, VolumeLs},
    create::{no_such_driver, pair},
    documents::documents,
    each,
    format::{Columns, Format},
    output::line,
    prune,
    ps::joined,
};

const COLUMNS: Columns = Columns {
    row: "*formatter.volumeContext",
    table: "{{.Driver}}\t{{.Name}}",
    raw: "name: {{.Name}}\ndriver: {{.Driver}}\n",
    headings: &[
        ("Availability", "AVAILABILITY"),
        ("Driver", "DRIVER"),
        ("Group", "GROUP"),
        ("Label", ""),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Name", "VOLUME NAME"),
        ("Scope", "SCOPE"),
        ("Size", "SIZE"),
        ("Status", "STATUS"),
    ],
};

/// `volume`
pub fn volume(engine: &Engine, args: Volume) -> Result<ExitCode> {
    match args {
        Volume::Create(it) => create(engine, &it)?,
        Volume::Ls(it) => ls(engine, &it)?,
        Volume::Inspect { format, names } => {
            return documents(format.as_deref(), &names, |name| document(engine, name));
        }
        Volume::Rm { force, names } => {
            return Ok(each(&names, |name| {
                match engine.volume_rm(name) {
                    Err(error) if force && error.kind == mini_docker::engine::Kind::NotFound => {}
                    removed => removed?,
                }
                Ok(line(name)?)
            }));
        }
        Volume::Prune(it) => prune::volumes(engine, &it)?,
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
    // The long cell is the name, and nothing else tells which volume it is.
    let format = Format::new(args.format.as_deref(), &COLUMNS)?.whole(true);
    let volumes = engine.volume_list(&args.filter.iter().cloned().collect());
    let volumes = volumes.map_err(|error| Error::from(error).exit_code(1))?;
    if args.quiet {
        return volumes.iter().try_for_each(|volume| line(&volume.name));
    }
    let rows: Vec<Value> = volumes.iter().map(|volume| row(engine, volume)).collect();
    format.print(&COLUMNS, &rows)
}

fn row(engine: &Engine, volume: &Known) -> Value {
    let unknown = || Value::text("N/A");
    let mount_point = engine.layout().volume_data(&volume.name);
    Value::record(
        COLUMNS.row,
        vec![
            ("Availability", unknown()),
            ("Driver", Value::text("local")),
            ("Group", unknown()),
            ("Label", Value::Method(Method::Label(Arc::new(volume.labels.clone())))),
            ("Labels", Value::text(joined(&volume.labels))),
            ("Links", unknown()),
            ("Mountpoint", Value::text(mount_point.display().to_string())),
            ("Name", Value::text(volume.name.as_str())),
            ("Scope", Value::text("local")),
            ("Size", unknown()),
            ("Status", unknown()),
        ],
    )
}

fn document(engine: &Engine, name: &str) -> Result<Value> {
    match engine.inspect_as(ObjectKind::Volume, name, Count::Nothing)? {
        Document::Volume(document) => Ok(to_value(&document)),
        _ => Ok(Value::Nil),
    }
}
