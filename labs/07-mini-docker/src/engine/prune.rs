//! container prune: whatever does not run goes.

use std::time::SystemTime;

use super::{Engine, Result, is_watched, size::bytes_below};
use crate::container::{Record, Status};

/// Which of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneContainers {
    /// Only those that were made before.
    pub until: Option<SystemTime>,
    /// Only those with these labels, `NAME` or `NAME=VALUE`.
    pub labels: Vec<String>,
    /// Only those without these.
    pub without_labels: Vec<String>,
}

impl Engine {
    /// Removes containers that do not run, and returns their IDs and how many bytes they had
    /// written.
    ///
    /// # Errors
    /// A record that cannot be read; one that cannot be removed is passed over.
    pub fn prune_containers(&self, which: &PruneContainers) -> Result<(Vec<String>, u64)> {
        let (mut removed, mut freed) = (Vec::new(), 0);
        for record in Record::all(&self.layout)? {
            let record = self.truth(record);
            if is_watched(&record) || record.state.status.is_up() || !which.means(&record) {
                continue;
            }
            let written = bytes_below(&self.container_layout(&record).upper());
            if self.rm(&record, false).is_ok() {
                freed += written;
                removed.push(record.id);
            }
        }
        Ok((removed, freed))
    }
}

impl PruneContainers {
    fn means(&self, record: &Record) -> bool {
        let created = humantime::parse_rfc3339(&record.created).ok();
        let is_old = self.until.is_none_or(|until| created.is_some_and(|created| created < until));
        let has = |wanted: &String| {
            let (name, value) = match wanted.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (wanted.as_str(), None),
            };
            let label = record.config.labels.as_ref().and_then(|labels| labels.get(name));
            label.is_some_and(|label| value.is_none_or(|value| value == label))
        };
        let has_none = self.without_labels.is_empty() || !self.without_labels.iter().any(has);
        is_old && self.labels.iter().all(has) && has_none && record.state.status != Status::Removing
    }
}
