//! Record: what was asked for and what became of it, one JSON file a container.
//!
//! The file is replaced in one step by rename(2), so whoever reads needs no lock and never sees
//! half of it. Whoever changes it holds a flock(2) on the container's directory; the kernel drops
//! the lock when its holder dies. No fsync(2): it protects against power cuts, after which no
//! container runs anyway.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::SystemTime,
};

use ground::{Error, Result};
use oci::Digest;
use serde::{Deserialize, Serialize};

use super::{Health, HealthPlan, Identity, Options, Status};
use crate::{
    events::{Event, Type},
    layout::{ContainerLayout, Layout},
};

/// Everything that is known about a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, unique in this store.
    pub name: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// Which image it was made from.
    pub image: ImageUse,
    /// The image's config with what the user replaced in it.
    pub config: oci::Config,
    /// What does not come from the image.
    pub options: Options,
    /// What became of it.
    pub state: State,
}

/// The image of a container. It may be gone or renamed since; its layers are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUse {
    /// The name that was asked for.
    pub name: String,
    /// The image ID.
    pub id: Digest,
    /// The manifest.
    pub manifest: oci::Descriptor,
    /// The chain IDs of its layers, the lowest first.
    pub layers: Vec<Digest>,
}

/// What became of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it is in its life.
    pub status: Status,
    /// Its first process, seen from outside; only while it runs.
    pub pid: Option<i32>,
    /// What its program returned last, 128 and the signal's number for a signal.
    pub exit_code: i32,
    /// Why the last start failed, or what else went wrong.
    pub error: Option<String>,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
    /// When its program was started last (RFC 3339).
    pub started: Option<String>,
    /// When its program ended last (RFC 3339).
    pub finished: Option<String>,
    /// The process that watches over it; only while it runs or starts.
    pub monitor: Option<Identity>,
    /// The monitor of the last run, as long as it tidies up: nothing can be started before.
    #[serde(default)]
    pub leaving: Option<Identity>,
    /// Whether somebody has stopped or killed it since its start: no policy starts it again.
    #[serde(default)]
    pub stopped: bool,
    /// Whether somebody has stopped it only to start it again at once: `--rm` has to wait.
    #[serde(default)]
    pub comes_back: bool,
    /// How often its policy has started it again.
    #[serde(default)]
    pub restart_count: u32,
    /// How long the last delay before that was.
    #[serde(default)]
    pub restart_delay_ms: u64,
    /// What its checks have found, if it is checked.
    #[serde(default)]
    pub health: Option<Health>,
}

impl State {
    /// Nothing has become of it yet.
    pub fn created() -> Self {
        Self {
            status: Status::Created,
            pid: None,
            exit_code: 0,
            error: None,
            oom_killed: false,
            started: None,
            finished: None,
            monitor: None,
            leaving: None,
            stopped: false,
            comes_back: false,
            restart_count: 0,
            restart_delay_ms: 0,
            health: None,
        }
    }

    /// Goes on to `next`, where that is allowed.
    ///
    /// # Errors
    /// A container that is somewhere else by now.
    pub fn become_(&mut self, next: Status) -> Result<()> {
        if !self.status.may_become(next) {
            return Err(Error::new("the container cannot do that now").why(format!(
                "it is {}, and from there it cannot become {}",
                self.status.as_str(),
                next.as_str()
            )));
        }
        self.status = next;
        Ok(())
    }

    /// The run is over, and its monitor has only to tidy up.
    pub fn ends_watch(&mut self) {
        self.leaving = self.monitor.take();
    }

    /// Whether a monitor was there and died without a word, as by SIGKILL.
    pub fn is_orphan(&self) -> bool {
        self.monitor.as_ref().is_some_and(|monitor| !monitor.is_alive())
    }
}

/// What a container exits with when its monitor was killed and nobody saw its end. Docker says the
/// same of containers that died while its daemon was away.
pub const NOBODY_SAW: i32 = 255;

const SOMEBODY_ELSES: &str =
    "the directory belongs to somebody else: run as its owner, or choose --root";

impl Record {
    /// The first twelve digits of the ID.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// The image's stop signal or `SIGTERM`.
    pub fn stop_signal(&self) -> &str {
        self.config.stop_signal.as_deref().filter(|signal| !signal.is_empty()).unwrap_or("SIGTERM")
    }

    /// The seconds between the stop signal and SIGKILL, where the user or the image says so.
    pub fn stop_timeout(&self) -> Option<i64> {
        self.config.stop_timeout
    }

    /// How it is checked, if it is.
    pub fn health_plan(&self) -> Option<HealthPlan> {
        HealthPlan::of(self.config.healthcheck.as_ref(), self.config.shell.as_deref())
    }

    /// Something that happens to this container now, in Docker's words; [`Event::record`] writes it
    /// down.
    pub fn event(&self, action: &str) -> Event {
        let mut event = Event::now(Type::Container, action, &self.id);
        let labels = self.config.labels.iter().flatten();
        event.actor.attributes.extend(labels.map(|(name, value)| (name.clone(), value.clone())));
        event.with("image", &self.image.name).with("name", &self.name)
    }

    /// Reads the record of a container as it is written, which may be what its dead monitor wrote.
    ///
    /// # Errors
    /// When it cannot be read, or is no record.
    pub fn read(layout: &ContainerLayout) -> Result<Option<Self>> {
        let path = layout.record();
        let cannot = || Error::new("cannot read what is known about a container");
        let json = match fs::read(&path) {
            Ok(json) => json,
            // Being made by somebody, or removed: there is no container.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot().io(path.display(), &error)),
        };
        serde_json::from_slice(&json).map(Some).map_err(|error| {
            cannot()
                .why(format!("{}: {error}", path.display()))
                .fix("remove the directory by hand if the container is of no use any more")
        })
    }

    /// Replaces the file. The caller holds the lock, or nobody else knows the container yet.
    ///
    /// # Errors
    /// As write(2) and rename(2).
    pub fn write(&self, layout: &ContainerLayout) -> Result<()> {
        let path = layout.record();
        let fresh = path.with_extension("new");
        let written = serde_json::to_vec(self)
            .map_err(io::Error::from)
            .and_then(|json| fs::write(&fresh, json))
            .and_then(|()| fs::rename(&fresh, &path));
        written.map_err(|error| {
            Error::new("cannot write down what became of the container")
                .io(path.display(), &error)
                .fix("free some space, or look at the owner of the directory")
        })
    }

    /// Reads, changes and replaces the record while nobody else does.
    ///
    /// # Errors
    /// When the container is gone, and what `change` returns.
    pub fn update<T>(
        layout: &ContainerLayout,
        change: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let gone = || Error::new("the container is gone").why("somebody else has removed it");
        let _lock = lock(layout.dir()).map_err(|_| gone())?;
        let mut record = Self::read(layout)?.ok_or_else(gone)?;
        let changed = change(&mut record)?;
        record.write(layout)?;
        Ok(changed)
    }

    /// All containers, the newest first.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn all(layout: &Layout) -> Result<Vec<Self>> {
        let mut records = Vec::new();
        for id in ids(layout)? {
            records.extend(Self::read(&layout.container(&id))?);
        }
        records.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(records)
    }
}

/// The IDs of all containers, and of those that are being made or removed.
///
/// # Errors
/// As readdir(3).
pub(super) fn ids(layout: &Layout) -> Result<Vec<String>> {
    let entries = match fs::read_dir(layout.containers()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let dir = layout.containers();
            let report = Error::new("cannot list the containers").io(dir.display(), &error);
            return Err(match error.kind() {
                io::ErrorKind::PermissionDenied => report.fix(SOMEBODY_ELSES),
                _ => report,
            });
        }
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Takes the lock of a directory: its own descriptor, so that there is no further file.
pub(super) fn lock(dir: &Path) -> io::Result<File> {
    let file = File::open(dir)?;
    file.lock()?;
    Ok(file)
}

/// The time as it stands in records and logs (RFC 3339, nanoseconds, UTC).
pub fn now() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}
