//! Containers and volumes: their records, their directories, and what they lead to.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use ground::Error as Report;

use super::{Checked, Engine, Result};
use crate::{
    container::{Record, Source, Status},
    engine::is_watched,
    snapshot::{Snapshot, sweep_below},
    volume,
};

impl Engine {
    pub(super) fn check_containers(&self, checked: &mut Checked, repair: bool) -> Result<()> {
        for id in self.container_dirs()? {
            let layout = self.layout.container(&id);
            match Record::read(&layout) {
                Ok(Some(record)) => self.check_container(&record, checked, repair)?,
                // Its maker died, or it is being made or removed.
                Ok(None) => self.check_unfinished(layout.dir(), checked, repair)?,
                Err(error) => checked.loss(
                    format!(
                        "the record of container {id} cannot be read: {}",
                        error.why.unwrap_or_default()
                    ),
                    format!(
                        "what it wrote is in {}; save that, and remove the directory",
                        layout.upper().display()
                    ),
                ),
            }
        }
        for name in volume::names(&self.layout)? {
            checked.volumes += 1;
            let data = self.layout.volume_data(&name);
            if !data.is_dir() {
                checked
                    .flaw(format!("volume {name} has no directory for its files"), "made, empty");
                if repair {
                    volume::ensure(&self.layout, &name, false)?;
                }
            }
            check_copies(&data, checked, repair);
        }
        Ok(())
    }

    fn container_dirs(&self) -> Result<Vec<String>> {
        let dir = self.layout.containers();
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| cannot(&dir, &error))?,
        };
        let names = entries.flatten().filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> = names.filter_map(|it| it.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    fn check_container(&self, record: &Record, checked: &mut Checked, repair: bool) -> Result<()> {
        checked.containers += 1;
        let name = &record.name;
        if record.state.is_orphan() {
            checked.flaw(
                format!("the monitor of container {name} was killed"),
                "what it left is cleaned up; start it again: mini-docker start",
            );
            if repair {
                self.bury(record)?;
            }
        }
        if record.state.status == Status::Removing && !is_watched(record) {
            checked
                .flaw(format!("the removal of container {name} broke off"), "removed to the end");
            if repair {
                super::super::rm::remove_files(&self.layout, record, false)?;
            }
            return Ok(());
        }
        self.check_directories(record, checked, repair)?;
        self.check_upper(record, checked, repair)?;
        for mount in &record.options.mounts {
            if let Source::Volume { name: volume, anonymous } = &mount.source
                && !self.layout.volume(volume).is_dir()
            {
                checked.flaw(
                    format!("container {name} uses the volume {volume}, which is not here"),
                    "made, empty",
                );
                if repair {
                    volume::ensure(&self.layout, volume, *anonymous)?;
                }
            }
        }
        Ok(())
    }

    /// The three directories of its overlay. An upper directory that is gone took with it all that
    /// the container wrote.
    fn check_directories(
        &self,
        record: &Record,
        checked: &mut Checked,
        repair: bool,
    ) -> Result<()> {
        let layout = self.container_layout(record);
        let dirs: [(PathBuf, u32); 4] = [
            (layout.upper(), 0o755),
            (layout.work(), 0o700),
            (layout.merged(), 0o700),
            (layout.bundle(), 0o755),
        ];
        for (dir, mode) in dirs.into_iter().filter(|(dir, _)| !dir.is_dir()) {
            let lost = if dir == layout.upper() { "; what it wrote is lost" } else { "" };
            checked.flaw(
                format!("container {} has no directory {}{lost}", record.name, dir.display()),
                "made, empty",
            );
            if repair {
                let made = fs::DirBuilder::new().mode(mode).create(&dir);
                made.map_err(|error| cannot(&dir, &error))?;
            }
        }
        Ok(())
    }

    /// What killed copies have left. One that runs is left to the next copy into it, which sees the same
    /// locks as others at work in there.
    fn check_upper(&self, record: &Record, checked: &mut Checked, repair: bool) -> Result<()> {
        let layout = self.container_layout(record);
        let snapshot = Snapshot::new(&self.layout, &layout, &record.image.layers);
        let claim = if snapshot.upper.is_dir() { snapshot.claim()? } else { None };
        if claim.is_some() && !is_watched(record) {
            check_copies(&snapshot.upper, checked, repair);
        }
        Ok(())
    }

    fn check_unfinished(&self, dir: &Path, checked: &mut Checked, repair: bool) -> Result<()> {
        // Whoever makes or removes a container holds the lock of one of these two.
        let is_held = |dir: &Path| fs::File::open(dir).is_ok_and(|dir| dir.try_lock().is_err());
        if !dir.is_dir() || is_held(dir) || is_held(&self.layout.containers()) {
            return Ok(());
        }
        checked.flaw(format!("{} belongs to no container", dir.display()), "removed");
        if repair {
            crate::tree::remove(dir)?;
        }
        Ok(())
    }
}

fn check_copies(dir: &Path, checked: &mut Checked, repair: bool) {
    // A directory that is not here is told of elsewhere.
    for path in sweep_below(dir, repair).unwrap_or_default() {
        checked.flaw(format!("{} is half a copy", path.display()), "removed");
    }
}

fn cannot(path: &Path, error: &io::Error) -> Report {
    Report::new("cannot check the containers").io(path.display(), error)
}
