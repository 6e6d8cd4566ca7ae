//! Joining: containers that share a namespace with another one.
//!
//! The other one is named when the container is made, kept by ID, and looked for again at each start:
//! its process is another each time. An ordinary user's container lives in a user namespace, and
//! what belongs to that can only be joined from there, so the new one is made in it as well.

use std::{collections::BTreeMap, path::Path};

use ground::Error as Report;

use super::{Engine, Error, Result, foreign_process, is_watched};
use crate::{
    container::{Found, IpcMode, NamespaceOptions, PidMode, Record, find},
    layout::Layout,
};

impl Engine {
    /// Puts IDs in the place of names.
    pub(super) fn name_others(&self, options: &mut NamespaceOptions) -> Result<()> {
        if let IpcMode::Container(name) = &mut options.ipc {
            let other = self.recorded(name)?;
            may_share_ipc(&other)?;
            *name = other.id;
        }
        if let PidMode::Container(name) = &mut options.pid {
            *name = self.recorded(name)?.id;
        }
        Ok(())
    }
}

/// The first processes of the containers whose namespaces are shared, by ID.
///
/// # Errors
/// One that does not run, or is gone.
pub(super) fn first_processes(
    layout: &Layout,
    record: &Record,
) -> Result<BTreeMap<String, i32>, Report> {
    let mut processes = BTreeMap::new();
    for id in record.options.namespaces.others() {
        let other = Record::read(&layout.container(id))?;
        let running = other.as_ref().filter(|it| is_watched(it));
        let pid = running.and_then(|it| it.state.pid).ok_or_else(|| {
            let name = other.as_ref().map_or(id, |it| it.name.as_str());
            Report::new(format!("cannot join a namespace of a non running container: {id}"))
                .why("a namespace that has no process is gone")
                .fix(format!("start it first: mini-docker start {name}"))
        })?;
        processes.insert(id.to_owned(), pid);
    }
    Ok(processes)
}

fn may_share_ipc(other: &Record) -> Result<()> {
    match other.options.namespaces.ipc {
        IpcMode::Shareable | IpcMode::Host | IpcMode::Container(_) => Ok(()),
        IpcMode::Private | IpcMode::None => Err(Error::conflict(
            Report::new(format!("cannot join IPC of {}: non-shareable IPC", other.id))
                .why("its shared memory is for itself, unless it was made to be shared")
                .fix(format!("run {} again with --ipc shareable", other.name)),
        )),
    }
}

/// The process in whose user namespace a container must be made that shares one with the named
/// containers; none where that is ours.
pub fn relative<'a>(root: &Path, names: impl Iterator<Item = &'a str>) -> Option<i32> {
    let layout = Layout::new(root);
    let process = |name: &str| match find(&layout, name) {
        Ok(Found::One(record)) => foreign_process(&record),
        _ => None,
    };
    names.into_iter().find_map(process)
}

/// The same for containers that are made already.
pub fn relative_of(root: &Path, names: &[String]) -> Option<i32> {
    let layout = Layout::new(root);
    names.iter().find_map(|name| match find(&layout, name) {
        Ok(Found::One(record)) => relative(root, record.options.namespaces.others()),
        _ => None,
    })
}
