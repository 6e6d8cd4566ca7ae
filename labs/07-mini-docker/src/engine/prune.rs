//! prune: what nobody needs, by its age and its labels; and container prune: whatever does not run.

use std::time::SystemTime;

use super::{Engine, Result, is_watched, size::bytes_below};
use crate::container::{Record, Status};

/// What is meant by a prune.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// Of images, all that no container uses, not only those without a tag.
    pub all: bool,
    /// Only what was made before.
    pub until: Option<SystemTime>,
    /// Only what has these labels, `NAME` or `NAME=VALUE`.
    pub labels: Vec<String>,
    /// Only what has none of these.
    pub without_labels: Vec<String>,
}

impl Prune {
    /// Whether something that was made at `created` and has these labels is meant.
    pub fn means<'a>(
        &self,
        created: Option<&str>,
        labels: impl Iterator<Item = (&'a String, &'a String)> + Clone,
    ) -> bool {
        let created = created.and_then(|time| humantime::parse_rfc3339(time).ok());
        let is_old = self.until.is_none_or(|until| created.is_some_and(|created| created < until));
        let has = |wanted: &String| {
            let (name, value) = match wanted.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (wanted.as_str(), None),
            };
            let mut labels = labels.clone();
            labels.any(|(known, it)| known == name && value.is_none_or(|value| value == it))
        };
        is_old && self.labels.iter().all(has) && !self.without_labels.iter().any(has)
    }
}

impl Engine {
    /// Removes containers that do not run, and returns their IDs and how many bytes they had
    /// written.
    ///
    /// # Errors
    /// A record that cannot be read; one that cannot be removed is passed over.
    pub fn prune_containers(&self, which: &Prune) -> Result<(Vec<String>, u64)> {
        let (mut removed, mut freed) = (Vec::new(), 0);
        for record in Record::all(&self.layout)? {
            let record = self.truth(record);
            let status = record.state.status;
            let is_needed = is_watched(&record) || status.is_up() || status == Status::Removing;
            let labels = record.config.labels.iter().flatten();
            if is_needed || !which.means(Some(&record.created), labels) {
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
