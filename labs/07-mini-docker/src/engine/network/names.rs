//! Names: what a container that runs can read of its networks, while those change.
//!
//! /etc/hosts, /etc/resolv.conf and the resolver follow the ledger. Whoever changes that makes a file
//! first, locks it, and removes it when the names are written. So a file that nobody has locked was
//! left by somebody who was killed on the way, and the next command about the container writes the
//! names to the end.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use ground::Error as Report;

use super::connect::netns;
use crate::{
    bundle,
    container::Record,
    engine::{
        Engine, Result,
        plug::{RESOLVER, around, ground, needs_resolver, resolver_for},
    },
    network::{Ground, holder, resolver},
};

/// The right to change a container's networks, until its names are written.
#[derive(Debug)]
pub(super) struct Untold {
    _lock: File,
    path: PathBuf,
}

impl Untold {
    /// There is nothing left to be told.
    fn told(self) -> Result<()> {
        Ok(fs::remove_file(&self.path).map_err(|error| cannot(&self.path, &error))?)
    }
}

impl Engine {
    /// Waits until nobody else changes the networks of a container.
    ///
    /// # Errors
    /// As open(2) and flock(2).
    pub(super) fn change_names(&self, record: &Record) -> Result<Untold> {
        let path = self.container_layout(record).untold();
        loop {
            let lock = File::options().create(true).truncate(false).write(true).open(&path);
            let lock = lock.map_err(|error| cannot(&path, &error))?;
            lock.lock().map_err(|error| cannot(&path, &error))?;
            // The one who had it has removed it meanwhile.
            if lock.metadata().is_ok_and(|file| file.nlink() > 0) {
                return Ok(Untold { _lock: lock, path });
            }
        }
    }

    /// Writes the names of a container as its networks are now, if it runs.
    ///
    /// # Errors
    /// As write(2); what the resolver said.
    pub(super) fn tell_names(&self, record: &Record, untold: Untold) -> Result<()> {
        if let Some(netns) = netns(record) {
            let ledger = self.ledger()?;
            let is_there = resolver::is_there(&netns);
            if needs_resolver(&ledger, record) && !is_there {
                // It ends with the container's monitor, not with us.
                drop(resolver::start(&resolver_for(&self.layout, record, &netns))?);
            }
            let mut around = around(&self.layout, &ledger, record)?;
            // One that has answered so far goes on: programs have read where it is.
            around.resolver = around.resolver.or(is_there.then_some(RESOLVER));
            bundle::write_names(record, &self.layout, &around)?;
        }
        untold.told()
    }

    /// Writes the names that somebody was killed at.
    ///
    /// # Errors
    /// As [`Engine::tell_names`].
    pub(in crate::engine) fn catch_up_on_names(&self, record: &Record) -> Result<()> {
        let path = self.container_layout(record).untold();
        // Usually there is none. A person who may only look leaves it to the owner.
        let Ok(lock) = File::options().write(true).open(&path) else { return Ok(()) };
        match lock.try_lock() {
            Ok(()) => {}
            // They are at it, or were just before us.
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(cannot(&path, &error).into()),
        }
        if !lock.metadata().is_ok_and(|file| file.nlink() > 0) {
            return Ok(());
        }
        if ground() == Ground::Outside {
            drop(lock);
            holder::mend(self.layout.root());
            return Ok(());
        }
        self.tell_names(record, Untold { _lock: lock, path })
    }

    /// Does what others of an ordinary user's commands have left to do in the user namespace that the
    /// containers share: we are in there.
    ///
    /// # Errors
    /// When nobody can tell what there is to do.
    pub fn mend(&self) -> Result<()> {
        let mended = self.with_networks(|networks| networks.mend());
        for record in Record::all(&self.layout)? {
            // One after the other, whatever became of it.
            let _ = self.catch_up_on_names(&record);
            self.mend_porter(&record);
        }
        Ok(mended?)
    }
}

fn cannot(path: &std::path::Path, error: &io::Error) -> Report {
    Report::new("cannot look after the container's names").io(path.display(), error)
}
