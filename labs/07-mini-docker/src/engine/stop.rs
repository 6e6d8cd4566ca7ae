//! stop: ask first, then force.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Engine, Result, is_watched, kill::signal};
use crate::container::{Identity, Record, Restart, Status};

/// How often a container that is being started is looked at.
const START_LOOK: Duration = Duration::from_millis(10);

/// Docker's patience, in seconds.
const GRACE: i64 = 10;

/// How a container is to be stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stop {
    /// Instead of the container's own stop signal.
    pub signal: Option<String>,
    /// Seconds until SIGKILL, instead of the container's own; less than 0 is without end.
    pub timeout: Option<i64>,
}

impl Engine {
    /// Sends the stop signal, waits, and sends SIGKILL. Fine when it does not run. No restart policy
    /// starts the container again after this.
    ///
    /// A program that is PID 1 ignores every signal that it has no handler for, SIGTERM included
    /// (man 7 pid_namespaces): that is why stopping a shell takes the whole time.
    ///
    /// # Errors
    /// What the runtime said; no such signal.
    pub fn stop(&self, record: &Record, how: &Stop) -> Result<()> {
        let number = signal(how.signal.as_deref().unwrap_or(record.stop_signal()))?;
        let Some((record, monitor)) = self.settled(record)? else { return Ok(()) };
        self.send(&record, number)?;
        let seconds = how.timeout.or(record.stop_timeout()).unwrap_or(GRACE);
        let grace = u64::try_from(seconds).ok().map(Duration::from_secs);
        if !monitor.await_end(grace) {
            self.send(&record, Signal::SIGKILL as i32)?;
            monitor.await_end(None);
        }
        record.event("stop").record(&self.layout.events());
        Ok(())
    }

    /// SIGKILL, and until nothing of the run is left.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn kill_and_wait(&self, record: &Record) -> Result<()> {
        let Some((record, monitor)) = self.settled(record)? else { return Ok(()) };
        self.send(&record, Signal::SIGKILL as i32)?;
        monitor.await_end(None);
        Ok(())
    }

    /// The container when its program runs, and its monitor; `None` when it does not run. One that
    /// is just being started is waited for: there is nothing to signal yet. One that waits for its
    /// next start is woken, and ends.
    fn settled(&self, record: &Record) -> Result<Option<(Record, Identity)>> {
        let mut record = record.clone();
        loop {
            let Some(monitor) = record.state.monitor.clone().filter(|_| is_watched(&record)) else {
                self.bury(&record)?;
                return Ok(None);
            };
            if record.state.status == Status::Running {
                if record.state.stopped || record.options.restart == Restart::No {
                    return Ok(Some((record, monitor)));
                }
                // Written down before the signal: the monitor reads it when the program has ended.
                self.mark_stopped(&record)?;
            } else if record.state.status == Status::Restarting {
                self.mark_stopped(&record)?;
                self.wake(&record);
                monitor.await_end(Some(START_LOOK));
            } else {
                monitor.await_end(Some(START_LOOK));
            }
            match Record::read(&self.container_layout(&record))? {
                Some(now) => record = now,
                None => return Ok(None),
            }
        }
    }

    /// From now on no policy starts the container again.
    pub(super) fn mark_stopped(&self, record: &Record) -> Result<()> {
        // Where there is none, nothing need be written: stopping works on a full disk, too.
        if record.options.restart == Restart::No {
            return Ok(());
        }
        let layout = self.container_layout(record);
        Ok(Record::update(&layout, |record| {
            record.state.stopped = true;
            Ok(())
        })?)
    }
}
