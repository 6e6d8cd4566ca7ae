//! diff: what a container changed, from its upper directory alone (lab 04).

use overlay::{Change, Marks};

use super::{Engine, Result};
use crate::{container::Record, snapshot::Snapshot};

impl Engine {
    /// The changes to the image's files, sorted by path.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn diff(&self, record: &Record) -> Result<Vec<Change>> {
        let layout = self.container_layout(record);
        let snapshot = Snapshot::new(&self.layout, &layout, &record.image.layers);
        Ok(overlay::diff(&snapshot.upper, &snapshot.lower, Marks::here())?)
    }
}
