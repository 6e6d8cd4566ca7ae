//! export: the files of a container as one archive, also while it does not run.

use std::{io::Write, os::fd::AsRawFd, path::Path};

use super::{
    Engine, Result,
    view::{Sight, View},
};
use crate::{container::Record, snapshot};

impl Engine {
    /// Writes the image's files with what the container changed, as one archive without layers.
    /// What is mounted on them, volumes as well, is not in it.
    ///
    /// # Errors
    /// A file that cannot be read; a failed write.
    pub fn export(&self, record: &Record, out: impl Write) -> Result<()> {
        let owners = self.owners(record)?;
        let view: View = self.view(record, Sight::Overlay)?;
        let root = format!("/proc/self/fd/{}/.", view.root.as_raw_fd());
        let kept = |path: &Path| owners.iter().find_map(|layer| layer.of(path));
        snapshot::export(out, Path::new(&root), &kept)?;
        record.event("export").record(&self.layout.events());
        Ok(())
    }
}
