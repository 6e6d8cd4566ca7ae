//! prune: what nobody needs, by its age and its labels; and container prune: whatever does not run.

use std::time::SystemTime;

use super::{Engine, Filters, Result, is_watched, size::bytes_below};
use crate::container::{Record, Status};

/// What is meant by a prune.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// Also what is in use by nobody, but has a name: images with a tag, volumes that somebody named.
    pub all: bool,
    until: Option<SystemTime>,
    filters: Filters,
}

impl Prune {
    /// What `filters` say, of which `known` make sense here.
    ///
    /// # Errors
    /// [`super::Kind::Invalid`] for another filter, or a value that makes no sense.
    pub fn new(all: bool, filters: Filters, known: &[&str]) -> Result<Self> {
        filters.check(known)?;
        let all = all || filters.truth("all")? == Some(true);
        Ok(Self { all, until: filters.until()?, filters })
    }

    /// Whether its age counts.
    pub fn has_age(&self) -> bool {
        self.until.is_some()
    }

    /// Whether something that was made at `created` (RFC 3339) and has these labels is meant.
    pub fn means<'a>(
        &self,
        created: Option<&str>,
        label: impl Fn(&str) -> Option<&'a String>,
    ) -> bool {
        let created = created.and_then(|time| humantime::parse_rfc3339(time).ok());
        self.until.is_none_or(|until| created.is_some_and(|created| created < until))
            && self.filters.labels(|name| label(name).map(String::as_str))
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
            let label = |name: &str| record.config.labels.as_ref()?.get(name);
            if is_needed || !which.means(Some(&record.created), label) {
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
