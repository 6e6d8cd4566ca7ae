//! volume: the directories that outlive containers.

use std::path::PathBuf;

use ground::Error as Report;

use super::{Engine, Error, Result};
use crate::{
    container::{Record, Source, fresh_id},
    events::{Event, Type},
    volume,
};

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSummary {
    /// Its name.
    pub name: String,
    /// Where its files are.
    pub mount_point: PathBuf,
}

impl Engine {
    /// Makes a volume, or returns the one that is there. Without a name it gets one.
    ///
    /// # Errors
    /// As mkdir(2).
    pub fn volume_create(&self, name: &str) -> Result<String> {
        let name = if name.is_empty() { fresh_id()? } else { name.to_owned() };
        volume::ensure(&self.layout, &name)?;
        Event::now(Type::Volume, "create", &name)
            .with("driver", "local")
            .record(&self.layout.events());
        Ok(name)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn volumes(&self) -> Result<Vec<VolumeSummary>> {
        let summary = |name: String| {
            let mount_point = self.layout.volume_data(&name);
            VolumeSummary { name, mount_point }
        };
        Ok(volume::names(&self.layout)?.into_iter().map(summary).collect())
    }

    /// Removes a volume that no container uses.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`], [`super::Kind::Conflict`].
    pub fn volume_rm(&self, name: &str) -> Result<()> {
        if !volume::names(&self.layout)?.iter().any(|known| known == name) {
            return Err(Error::not_found(
                Report::new(format!("get {name}: no such volume"))
                    .fix("mini-docker volume ls shows all of them"),
            ));
        }
        let uses = |record: &Record| {
            record.options.mounts.iter().any(
                |mount| matches!(&mount.source, Source::Volume { name: used, .. } if used == name),
            )
        };
        if let Some(user) = Record::all(&self.layout)?.iter().find(|record| uses(record)) {
            return Err(Error::conflict(
                Report::new(format!("remove {name}: volume is in use - [{}]", user.id))
                    .why("the container may be started again")
                    .fix(format!("remove the container first: mini-docker rm {}", user.name)),
            ));
        }
        volume::remove(&self.layout, name)?;
        Event::now(Type::Volume, "destroy", name)
            .with("driver", "local")
            .record(&self.layout.events());
        Ok(())
    }
}
