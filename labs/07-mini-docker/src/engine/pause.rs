//! pause and unpause: the freezer of the container's cgroup.
//!
//! Nothing is written into the record. Whether a container stands still only the kernel knows, and
//! every look asks it: so no death of any of our processes can leave a lie behind.

use cgroups::{FreezeState, Group};
use ground::Error as Report;
use nix::unistd::Pid;

use super::{Engine, Error, Result};
use crate::container::{Record, Status};

impl Engine {
    /// Stops every process of the container where it stands (cgroups(7), the freezer; lab 02).
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it does not run or is paused already; where there is no cgroup
    /// of its own, the runtime's words.
    pub fn pause(&self, record: &Record) -> Result<()> {
        let record = self.truth(record.clone());
        match record.state.status {
            Status::Running => {}
            Status::Paused => return conflict(&record, "is already paused", "unpause NAME"),
            Status::Restarting => {
                return conflict(
                    &record,
                    "is restarting, wait until the container is running",
                    "ps",
                );
            }
            _ => return conflict(&record, "is not running", "start NAME"),
        }
        let bundle = self.container_layout(&record).bundle();
        self.runtime(&record)?.pause(&record.id, &bundle)?;
        record.event("pause").record(&self.layout.events());
        Ok(())
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it is not paused.
    pub fn unpause(&self, record: &Record) -> Result<()> {
        let record = self.truth(record.clone());
        if record.state.status != Status::Paused {
            return conflict(&record, "is not paused", "ps -a");
        }
        let bundle = self.container_layout(&record).bundle();
        self.runtime(&record)?.resume(&record.id, &bundle)?;
        record.event("unpause").record(&self.layout.events());
        Ok(())
    }
}

fn conflict(record: &Record, what: &str, fix: &str) -> Result<()> {
    let fix = fix.replace("NAME", &record.name);
    let report = Report::new(format!("Container {} {what}", record.id));
    Err(Error::conflict(report.fix(format!("mini-docker {fix}"))))
}

/// Whether the kernel keeps the container's first process from running.
pub(super) fn is_frozen(record: &Record) -> bool {
    let group = record.state.pid.and_then(|pid| Group::of_process(Pid::from_raw(pid)).ok());
    // A container without a group of its own is in ours, and we run.
    let frozen = group.and_then(|group| group.freeze_state());
    matches!(frozen, Some(FreezeState::Frozen | FreezeState::Freezing))
}
