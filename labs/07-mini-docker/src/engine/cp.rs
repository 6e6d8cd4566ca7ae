//! cp: files into a container and out of it, also while it does not run.

use std::{
    io::{Read, Write},
    path::Path,
};

use super::{
    Engine, Result,
    view::{Sight, View},
};
use crate::{
    bundle,
    container::Record,
    snapshot::{self, Copy, Kept, Named, Owner, Ownership, Side},
};

/// How files are copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cp {
    /// Whether a link that was named is followed.
    pub follow: bool,
    /// Whether owners are the container's business: what goes in belongs to its user, and what
    /// comes out to whom it belonged.
    pub archive: bool,
}

impl Engine {
    /// Copies a file or directory of the host into a container. Returns the bytes that went.
    ///
    /// # Errors
    /// A source that is not there, a target that does not fit it.
    pub fn copy_in(&self, record: &Record, (from, to): (&str, &str), how: Cp) -> Result<u64> {
        // Before other namespaces: a relative path starts where the person is.
        let host = Side::host()?;
        let from = Named::from(from).below(&here()?);
        let view = self.view(record, Sight::Everything)?;
        let how = Copy { follow: how.follow, owner: self.owner_inside(record, &view, how)? };
        let to = Named::from(to).below(Path::new("/"));
        let side = Side::container(view.root.try_clone().map_err(no_descriptor)?, &record.name);
        let copied = snapshot::copy((&host, &from, &|_| None), (&side, &to), how)?;
        self.keep(record, copied.kept)?;
        record.event("extract-to-dir").with("path", shown(&to)).record(&self.layout.events());
        Ok(copied.bytes)
    }

    /// Copies a file or directory of a container to the host. Returns the bytes that went.
    ///
    /// # Errors
    /// As [`Engine::copy_in`].
    pub fn copy_out(&self, record: &Record, (from, to): (&str, &str), how: Cp) -> Result<u64> {
        let host = Side::host()?;
        let to = Named::from(to).below(&here()?);
        let owners = self.owners(record)?;
        let known = |path: &Path| -> Option<Kept> { owners.iter().find_map(|it| it.of(path)) };
        let view = self.view(record, Sight::Everything)?;
        let side = Side::container(view.root, &record.name);
        let from = Named::from(from).below(Path::new("/"));
        let owner = if how.archive { Owner::Named } else { Owner::Ours };
        let how = Copy { follow: how.follow, owner };
        let copied = snapshot::copy((&side, &from, &known), (&host, &to), how)?;
        record.event("archive-path").with("path", shown(&from)).record(&self.layout.events());
        Ok(copied.bytes)
    }

    /// Makes files of an archive in a directory of a container.
    ///
    /// # Errors
    /// A target that is no directory; an archive that is none.
    pub fn copy_in_tar(&self, record: &Record, tar: impl Read, to: &str, how: Cp) -> Result<()> {
        let view = self.view(record, Sight::Everything)?;
        let owner = self.owner_inside(record, &view, how)?;
        let to = Named::from(to).below(Path::new("/"));
        let side = Side::container(view.root, &record.name);
        let kept = snapshot::receive((&side, &to), tar, owner)?;
        self.keep(record, kept)?;
        record.event("extract-to-dir").with("path", shown(&to)).record(&self.layout.events());
        Ok(())
    }

    /// Writes a file or directory of a container as an archive.
    ///
    /// # Errors
    /// A source that is not there; a failed write.
    pub fn copy_out_tar(
        &self,
        record: &Record,
        from: &str,
        out: impl Write,
        how: Cp,
    ) -> Result<()> {
        let owners = self.owners(record)?;
        let known = |path: &Path| -> Option<Kept> { owners.iter().find_map(|it| it.of(path)) };
        let view = self.view(record, Sight::Everything)?;
        let side = Side::container(view.root, &record.name);
        let from = Named::from(from).below(Path::new("/"));
        snapshot::send((&side, &from, &known), how.follow, out)?;
        record.event("archive-path").with("path", shown(&from)).record(&self.layout.events());
        Ok(())
    }

    /// Who files belong to in the container: to those they belonged to, or all to its user.
    fn owner_inside(&self, record: &Record, view: &View, how: Cp) -> Result<Owner> {
        if !how.archive {
            return Ok(Owner::Named);
        }
        let account = bundle::account_of(record, &view.root)?;
        Ok(Owner::Is(account.uid, account.gid))
    }

    /// Notes what could not be set on the files, beside the container's other files.
    fn keep(&self, record: &Record, kept: Ownership) -> Result<()> {
        let path = self.container_layout(record).ownership();
        let mut all = Ownership::read(&path)?;
        all.extend(kept);
        Ok(all.write(&path)?)
    }
}

fn here() -> Result<std::path::PathBuf> {
    Ok(std::env::current_dir().map_err(|error| {
        ground::Error::new("cannot find the working directory").io("getcwd", &error)
    })?)
}

fn no_descriptor(error: std::io::Error) -> ground::Error {
    ground::Error::new("cannot copy files").io("dup", &error)
}

fn shown(named: &Named) -> String {
    named.path.display().to_string()
}
