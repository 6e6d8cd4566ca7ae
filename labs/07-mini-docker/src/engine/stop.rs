//! stop: ask first, then force.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Engine, Result, is_watched, kill::signal, wait::await_end};
use crate::container::{Identity, Record, Status};

/// How often a container that is being started is looked at.
const START_LOOK: Duration = Duration::from_millis(10);

impl Engine {
    /// Sends the stop signal, waits up to `grace`, and sends SIGKILL. Fine when it does not run.
    ///
    /// A program that is PID 1 ignores every signal that it has no handler for, SIGTERM included
    /// (man 7 pid_namespaces): that is why stopping a shell takes the whole time.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn stop(&self, record: &Record, grace: Duration) -> Result<()> {
        let Some((record, monitor)) = self.settled(record)? else { return Ok(()) };
        self.send(&record, signal(record.stop_signal())?)?;
        if await_end(&monitor, Some(grace)) {
            return Ok(());
        }
        self.kill_and_wait(&record)
    }

    /// SIGKILL, and until nothing of the run is left.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn kill_and_wait(&self, record: &Record) -> Result<()> {
        let Some((record, monitor)) = self.settled(record)? else { return Ok(()) };
        self.send(&record, Signal::SIGKILL as i32)?;
        await_end(&monitor, None);
        Ok(())
    }

    /// The container when its program runs, and its monitor; `None` when it does not run. One that
    /// is just being started is waited for: there is nothing to signal yet.
    fn settled(&self, record: &Record) -> Result<Option<(Record, Identity)>> {
        let mut record = record.clone();
        loop {
            let Some(monitor) = record.state.monitor.clone().filter(|_| is_watched(&record)) else {
                self.bury(&record)?;
                return Ok(None);
            };
            if record.state.status == Status::Running {
                return Ok(Some((record, monitor)));
            }
            await_end(&monitor, Some(START_LOOK));
            match Record::read(&self.container_layout(&record))? {
                Some(now) => record = now,
                None => return Ok(None),
            }
        }
    }
}
