//! rm: a container goes, with all it wrote.

use ground::Error as Report;
use nix::unistd::Pid;

use super::{Engine, Error, Result, is_watched};
use crate::{
    container::{Identity, Record, Source, Status},
    layout::Layout,
    tree, volume,
};

impl Engine {
    /// Removes a container that does not run; with `volumes` the ones that nobody gave a name, too.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] while it runs.
    pub fn rm(&self, record: &Record, volumes: bool) -> Result<()> {
        if is_watched(record) {
            return Err(Error::conflict(in_use(record)));
        }
        self.bury(record)?;
        Ok(remove_files(&self.layout, record, volumes)?)
    }
}

fn in_use(record: &Record) -> Report {
    Report::new(format!("cannot remove container \"/{}\": container is running", record.name))
        .why("its files are in use")
        .fix(format!("stop it first (mini-docker stop {0}), or rm -f {0}", record.name))
}

/// Removes the directory of a container. First its record says so, so that a removal that breaks
/// off can be seen and taken up again; the record goes last but one, the directory last.
pub(super) fn remove_files(layout: &Layout, record: &Record, volumes: bool) -> Result<(), Report> {
    let container = layout.container(&record.id);
    let ourselves = Identity::of(Pid::this())?;
    Record::update(&container, |record| {
        // Somebody may have started it since we looked: then its files are its monitor's.
        match &record.state.monitor {
            Some(monitor) if monitor.is_alive() && *monitor != ourselves => Err(in_use(record)),
            _ => record.state.become_(Status::Removing),
        }
    })?;
    for dir in [container.upper(), container.work(), container.merged(), container.bundle()] {
        tree::remove(&dir)?;
    }
    if volumes {
        remove_volumes(layout, record)?;
    }
    tree::remove(container.dir())?;
    record.event("destroy").record(&layout.events());
    Ok(())
}

/// Removes the volumes of a container that nobody gave a name, and that no other container has by
/// `--volumes-from`.
pub(super) fn remove_volumes(layout: &Layout, record: &Record) -> Result<(), Report> {
    let _alone = volume::lock_alone(layout)?;
    let others = Record::all(layout)?;
    for mount in &record.options.mounts {
        let Source::Volume { name, anonymous: true } = &mount.source else { continue };
        let is_used = |other: &Record| {
            other.id != record.id && other.options.mounts.iter().any(|it| it.volume() == Some(name))
        };
        if !others.iter().any(is_used) {
            volume::remove(layout, name)?;
        }
    }
    Ok(())
}
