//! Porters: who holds the published ports of a container is written down, and followed when killed.
//!
//! A container's porter is a process of its own, and may be killed while the container runs. Then nobody
//! has the ports: whoever comes through the loopback interface is refused, and another container could be
//! given them. So each command that looks at the container has a look at its porter, and starts the next
//! one with the same ports. Who does it holds a lock on the file that says who the porter is.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    process::Child,
};

use ground::{Error, Result};
use nix::unistd::Pid;

use super::{
    Engine,
    network::netns,
    plug::{self, ground},
};
use crate::{
    container::{Identity, Record},
    layout::Layout,
    network::{Ground, Publish, holder, ledger, porter},
};

impl Engine {
    /// Starts the porter of a container again, where somebody killed it.
    pub(super) fn mend_porter(&self, record: &Record) {
        mend(&self.layout, record);
    }
}

/// The same for all containers of a store but one.
pub(super) fn mend_all(layout: &Layout, but: &str) {
    let ledger = ledger::read(layout).unwrap_or_default();
    let containers: BTreeSet<_> = ledger.published.iter().map(|it| &it.container).collect();
    for id in containers.into_iter().filter(|id| *id != but) {
        if let Ok(Some(record)) = Record::read(&layout.container(id)) {
            mend(layout, &record);
        }
    }
}

/// Says who holds the ports of a container.
///
/// # Errors
/// As write(2).
pub(super) fn write_down(layout: &Layout, container: &str, porter: &Child) -> Result<()> {
    let path = layout.container(container).porter();
    let file = File::create(&path);
    write(file.map_err(|error| not_written(&error))?, porter)
}

/// The container has ended, and with it its porter.
pub(super) fn end(layout: &Layout, container: &str) {
    let path = layout.container(container).porter();
    let Ok(mut file) = File::open(&path) else { return };
    // Somebody may be about to start the next one.
    let _ = file.lock();
    if let Some(porter) = read(&mut file) {
        plug::end(&porter);
    }
    let _ = fs::remove_file(&path);
}

fn mend(layout: &Layout, record: &Record) {
    let path = layout.container(&record.id).porter();
    // Usually there is none, or it is well. A person who may only look leaves it to the owner.
    let Ok(mut file) = File::options().read(true).write(true).open(&path) else { return };
    let is_well = |file: &mut File| read(file).is_none_or(|porter| porter.is_alive());
    let is_watched = record.state.monitor.as_ref().is_some_and(Identity::is_alive);
    if !is_watched || is_well(&mut file) {
        return;
    }
    if ground() == Ground::Outside {
        return holder::mend(layout.root());
    }
    // They are at it, or were just before us, or the container has ended meanwhile.
    let is_ours = file.try_lock().is_ok() && file.metadata().is_ok_and(|it| it.nlink() > 0);
    if !is_ours || is_well(&mut file) {
        return;
    }
    // Whoever took such a port meanwhile keeps it.
    if let Some(porter) = next(layout, record) {
        let _ = write(file, &porter);
    }
}

/// The next porter of a container, with the ports that its first one got.
fn next(layout: &Layout, record: &Record) -> Option<Child> {
    let ledger = ledger::read(layout).ok()?;
    let own = ledger.published.iter().filter(|it| it.container == record.id);
    let ports = own.map(|it| Publish {
        host_ip: Some(it.lead.host_ip),
        host_ports: Some((it.lead.host_port, it.lead.host_port)),
        port: it.lead.port,
    });
    let ports: Vec<_> = ports.collect();
    if ports.is_empty() {
        return None;
    }
    let request = porter::Request {
        root: layout.root().to_owned(),
        container: record.id.clone(),
        monitor: record.state.monitor.as_ref()?.pid,
        ports,
        inside: if ground() == Ground::Host { None } else { netns(record) },
    };
    porter::start(&request).ok().map(|(porter, _)| porter)
}

fn read(file: &mut File) -> Option<Identity> {
    let mut json = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut json)).ok()?;
    serde_json::from_slice(&json).ok()
}

fn write(mut file: File, porter: &Child) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(porter.id()).unwrap_or(0));
    let json = serde_json::to_vec(&Identity::of(pid)?).map_err(io::Error::from);
    let written = json.and_then(|json| {
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(&json)
    });
    written.map_err(|error| not_written(&error))
}

fn not_written(error: &io::Error) -> Error {
    Error::new("cannot write down who holds the ports").io("write", error)
}
