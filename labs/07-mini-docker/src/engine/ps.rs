//! ps: which containers there are, and what is true of each.

use std::time::Duration;

mod select;

use super::{
    Engine, Filters, Result, connections::Connections, is_watched, pause::is_frozen, size::Sizes,
};
use crate::container::{self, NOBODY_SAW, Record, Status};

use select::Selection;

/// How often a failed clean-up is tried again, 50 ms apart.
const BURY_TRIES: u32 = 20;

/// One container, for a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// What is known about it.
    pub record: Record,
    /// Where it can be reached.
    pub connections: Connections,
    /// How much it keeps, where that was asked for.
    pub sizes: Option<Sizes>,
}

/// Which containers a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Also those that do not run.
    pub all: bool,
    /// Only so many, the newest ones, whether they run or not.
    pub last: Option<usize>,
    /// Only those that are like this.
    pub filters: Filters,
    /// Count what they keep, which reads every directory of theirs.
    pub sizes: bool,
}

impl Engine {
    /// All containers, the newest first; without `all` only those that run. What a killed monitor
    /// left is noticed and cleaned up on the way.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn ps(&self, all: bool) -> Result<Vec<Summary>> {
        self.list(&List { all, ..List::default() })
    }

    /// The containers that somebody wants to see, the newest first.
    ///
    /// # Errors
    /// As [`Engine::ps`]; [`super::Kind::Invalid`] for a filter that does not exist.
    pub fn list(&self, list: &List) -> Result<Vec<Summary>> {
        let selection = Selection::new(self, list)?;
        let wires = self.wires();
        let mut summaries = Vec::new();
        for record in Record::all(&self.layout)? {
            if list.last.is_some_and(|last| summaries.len() >= last) {
                break;
            }
            // Even if the rest cannot be cleaned up: what is told is the truth.
            let record = self.truth(record);
            let _ = self.catch_up_on_names(&record);
            self.mend_porter(&record);
            let connections = wires.of(&record);
            if selection.takes(&record, &connections)? {
                let sizes = list.sizes.then(|| self.sizes(&record));
                summaries.push(Summary { record, connections, sizes });
            }
        }
        Ok(summaries)
    }

    /// The record as it must be now: a container whose monitor was killed does not run.
    ///
    /// One that the kernel keeps from running is paused.
    pub fn truth(&self, record: Record) -> Record {
        let mut record = self.buried(record);
        if record.state.status == Status::Running && is_frozen(&record) {
            record.state.status = Status::Paused;
        }
        record
    }

    /// The same for whoever finds out by themselves whether it is paused.
    pub fn buried(&self, record: Record) -> Record {
        if !record.state.is_orphan() {
            return record;
        }
        let _ = self.bury(&record);
        let fresh = Record::read(&self.container_layout(&record)).ok().flatten();
        let mut record = fresh.unwrap_or(record);
        if record.state.is_orphan() {
            died_unseen(&mut record);
        }
        record
    }

    /// Cleans up after a monitor that was killed: the container's processes, its cgroup, and what
    /// the runtime knows. Does nothing for a container that is watched or was ended properly.
    ///
    /// # Errors
    /// What the runtime said.
    pub(super) fn bury(&self, record: &Record) -> Result<()> {
        if !record.state.is_orphan() || is_watched(record) {
            return Ok(());
        }
        let layout = self.container_layout(record);
        let mut deleted = self.runtime(record)?.delete(&record.id, &layout.bundle());
        for _ in 1..BURY_TRIES {
            if deleted.is_ok() {
                break;
            }
            // Processes need a moment to die: a cgroup with one in it cannot go, and one whose user
            // namespace we wanted to join may have gone just then.
            std::thread::sleep(Duration::from_millis(50));
            deleted = self.runtime(record)?.delete(&record.id, &layout.bundle());
        }
        Record::update(&layout, |record| {
            if record.state.is_orphan() {
                died_unseen(record);
            }
            Ok(())
        })?;
        if record.state.status == Status::Running {
            let _ = std::fs::write(layout.exit(), NOBODY_SAW.to_string());
            let died = record.event("die").with("exitCode", NOBODY_SAW.to_string());
            died.record(&self.layout.events());
        }
        self.sweep_networks()?;
        Ok(deleted?)
    }
}

fn died_unseen(record: &mut Record) {
    let state = &mut record.state;
    if state.status == Status::Restarting {
        state.status = Status::Exited;
        state.error = Some("its monitor was killed before it could start it again".into());
    }
    if state.status.is_up() {
        state.status = Status::Exited;
        state.exit_code = NOBODY_SAW;
        state.finished = Some(container::now());
        state.error = Some("its monitor was killed, and nobody saw how it ended".into());
    }
    state.pid = None;
    state.monitor = None;
}

/// What its checks say, in Docker's words.
fn health(record: &Record) -> &'static str {
    record.state.health.as_ref().map_or("none", |health| health.status.as_str())
}
