//! volume.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::Engine;
use serde_json::json;

use super::{
    args::Volume,
    each,
    output::{line, table},
};

/// `volume`
pub fn volume(engine: &Engine, args: Volume) -> Result<ExitCode> {
    match args {
        Volume::Create { name } => line(engine.volume_create(&name)?)?,
        Volume::Ls { quiet } => {
            let names = engine.volumes()?.into_iter().map(|volume| volume.name);
            if quiet {
                names.into_iter().try_for_each(line)?;
            } else {
                let rows: Vec<_> = names.map(|name| vec!["local".into(), name]).collect();
                table(&["DRIVER", "VOLUME NAME"], &rows)?;
            }
        }
        Volume::Inspect { names } => {
            let all = engine.volumes()?;
            let found: Result<Vec<_>> = names
                .iter()
                .map(|name| {
                    let volume = all.iter().find(|volume| volume.name == *name);
                    volume.ok_or_else(|| Error::new(format!("get {name}: no such volume")))
                })
                .collect();
            let found = found?.into_iter().map(|volume| {
                json!({ "Name": volume.name, "Driver": "local", "Mountpoint": volume.mount_point })
            });
            let list: Vec<_> = found.collect();
            line(format!("{:#}", json!(list)))?;
        }
        Volume::Rm { names } => {
            return Ok(each(&names, |name| {
                engine.volume_rm(name)?;
                Ok(line(name)?)
            }));
        }
    }
    Ok(ExitCode::SUCCESS)
}
