//! restart: stop and start in one; and resume, what is to run again after the machine has.

use super::{Engine, Result, Session, Stop, is_watched};
use crate::container::{Record, Status};

impl Engine {
    /// Stops the container if it runs, and starts it. With `--rm` it stays in between.
    ///
    /// # Errors
    /// As [`Engine::stop`] and [`Engine::start`].
    pub fn restart(&self, record: &Record, how: &Stop) -> Result<Session> {
        if is_watched(record) {
            let layout = self.container_layout(record);
            Record::update(&layout, |record| {
                record.state.comes_back = true;
                Ok(())
            })?;
            self.stop(record, how)?;
        }
        let record = self.container(&record.id)?;
        let session = self.start(&record, false)?;
        record.event("restart").record(&self.layout.events());
        Ok(session)
    }

    /// What has to be done after the machine has started: the containers that are to run again, and
    /// those that were to be removed at their end, which nobody saw. The oldest first.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn to_resume(&self) -> Result<(Vec<Record>, Vec<Record>)> {
        let mut records = Record::all(&self.layout)?;
        records.reverse();
        let ended: Vec<Record> = records
            .into_iter()
            .map(|record| self.truth(record))
            .filter(|record| !is_watched(record) && record.state.status == Status::Exited)
            .collect();
        let (over, rest): (Vec<_>, Vec<_>) =
            ended.into_iter().partition(|record| record.options.remove);
        let policy = |record: &Record| record.options.restart.survives_reboot(record.state.stopped);
        Ok((rest.into_iter().filter(policy).collect(), over))
    }
}
