//! A view: the files of a container, as they are now.
//!
//! While it runs they are mounted already, in mount namespaces that are not ours. `/proc/PID/root`
//! is a door to what the first process sees, volumes and all (man 5 proc_pid_root); the overlay
//! alone is in the monitor's namespace. While it does not run nothing is mounted anywhere: then we
//! mount it ourselves, in a mount namespace of our own that ends with us.
//!
//! An upper directory may be mounted once only. Whoever mounts it holds a lock on it: a monitor until
//! its mount is there and its name in the record, we while we look.

use std::{
    fs::File,
    os::fd::OwnedFd,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use ground::{Error as Report, Step};
use namespaces::{Kind as Namespace, Kinds, rootless};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};
use rootfs::{Change, Reach};
use volumes::{Inside, MountInside, Wanted};

use super::{Engine, Result, exec::join, is_watched};
use crate::{
    bundle,
    container::{Mount, Record, Source},
    layout::Layout,
    snapshot::{Ownership, Snapshot},
    volume,
};

/// How long a container may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// The image with what the container wrote.
    Overlay,
    /// That, and what is mounted on it.
    Everything,
}

/// The root of a container, for as long as this is held.
#[derive(Debug)]
pub(super) struct View {
    /// The directory.
    pub root: OwnedFd,
    _claim: Option<File>,
}

impl Engine {
    /// Opens the files of a container. This process, which has a single thread, moves into other
    /// namespaces for it and stays there.
    ///
    /// # Errors
    /// What the kernel has against it; a container that neither begins nor ends.
    pub(super) fn view(&self, record: &Record, sight: Sight) -> Result<View> {
        let container = self.container_layout(record);
        let snapshot = Snapshot::new(&self.layout, &container, &record.image.layers);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let record = self.truth(self.container(&record.id)?);
            if is_watched(&record) {
                if record.state.pid.is_some() {
                    return running(&record, &snapshot, sight);
                }
            } else if let Some(claim) = snapshot.claim()? {
                // A monitor notes itself in the record before it claims: if it was faster, it shows.
                if is_watched(&self.container(&record.id)?) {
                    continue;
                }
                stopped(&self.layout, &record, &snapshot, sight)?;
                return Ok(View { root: open_root(&snapshot.merged)?, _claim: Some(claim) });
            }
            sleep(Duration::from_millis(20));
        }
        Err(Report::new(format!("cannot look into container {}", record.name))
            .why("it neither runs nor stands still: somebody starts it, or copies at the same time")
            .fix("try again in a moment")
            .into())
    }

    /// Owners that are not on the files: the container's own, then those of its layers.
    pub(super) fn owners(&self, record: &Record) -> Result<Vec<Ownership>> {
        // The topmost layer that knows a path is the one that is seen.
        let layers = record.image.layers.iter().rev().map(|id| self.layout.layer_ownership(id));
        let all = [self.container_layout(record).ownership()].into_iter().chain(layers);
        Ok(all.map(|path| Ownership::read(&path)).collect::<Result<_, Report>>()?)
    }
}

fn running(record: &Record, snapshot: &Snapshot, sight: Sight) -> Result<View> {
    let monitor = record.state.monitor.as_ref().map_or(0, |monitor| monitor.pid);
    let root = match sight {
        Sight::Overlay => {
            join(monitor, &[Namespace::User, Namespace::Mount])?;
            open_root(&snapshot.merged)?
        }
        Sight::Everything => {
            join(monitor, &[Namespace::User])?;
            let first = record.state.pid.unwrap_or(0);
            open_root(Path::new(&format!("/proc/{first}/root")))?
        }
    };
    // After the open: a number that was given to another process would have led elsewhere.
    match is_watched(record) {
        true => Ok(View { root, _claim: None }),
        false => Err(Report::new(format!("container {} has just ended", record.name))
            .fix("try again")
            .into()),
    }
}

fn stopped(layout: &Layout, record: &Record, snapshot: &Snapshot, sight: Sight) -> Result<()> {
    rootless::enter(Kinds::of([Namespace::Mount]))?;
    snapshot.overlay().mount(&snapshot.merged)?;
    if sight == Sight::Everything {
        // In the order of their paths: one may lie in another.
        let mut mounts: Vec<&Mount> = record.options.mounts.iter().collect();
        mounts.sort_by_key(|mount| &mount.destination);
        for mount in mounts {
            attach(layout, snapshot, mount)?;
        }
    }
    Ok(())
}

/// Mounts what the container will see. A tmpfs is empty until then.
fn attach(layout: &Layout, snapshot: &Snapshot, mount: &Mount) -> Result<()> {
    let source = match &mount.source {
        Source::Bind(path) => path.clone(),
        Source::Volume { name, anonymous } => {
            let data = volume::ensure(layout, name, *anonymous)?;
            let known = volume::read(layout, name)?;
            // What was in memory is gone, and what else is mounted there is not.
            if !known.options.is_empty() && !known.is_in_memory() {
                volume::mount(layout, &known)?;
            }
            if !mount.no_copy {
                let from = bundle::inside(&snapshot.merged, &mount.destination);
                from.map_or(Ok(()), |from| volumes::fill(&data, &from))?;
            }
            mount.subpath.as_ref().map_or(data.clone(), |below| data.join(below))
        }
        Source::Tmpfs(_) => return Ok(()),
    };
    // Gone since the container was made: then it is not seen.
    let Ok(file) = source.metadata() else { return Ok(()) };
    let target = Inside::new(&snapshot.merged, &mount.destination)?;
    let mut step = MountInside::bind(&source, target, Wanted::like(&file))?;
    if mount.read_only {
        step = step.changed(Change::set(libc::MOUNT_ATTR_RDONLY, Reach::All));
    }
    Ok(step.run().map_err(|errno| step.failed(errno))?)
}

fn open_root(path: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(path, flags, Mode::empty()).map_err(|errno| {
        Report::new("cannot look into the container").call(&format!("open({path:?})"), errno)
    })?)
}
