//! stop: ask first, then force.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Engine, Result, is_watched, kill::signal, wait::await_end};
use crate::container::Record;

impl Engine {
    /// Sends the stop signal, waits up to `grace`, and sends SIGKILL. Fine when it does not run.
    ///
    /// A program that is PID 1 ignores every signal that it has no handler for, SIGTERM included
    /// (man 7 pid_namespaces): that is why stopping a shell takes the whole time.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn stop(&self, record: &Record, grace: Duration) -> Result<()> {
        let Some(monitor) = record.state.monitor.clone().filter(|_| is_watched(record)) else {
            return self.bury(record);
        };
        self.kill(record, signal(record.stop_signal())?)?;
        if await_end(&monitor, Some(grace)) {
            return Ok(());
        }
        self.kill_and_wait(record)
    }

    /// SIGKILL, and until nothing of the run is left.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn kill_and_wait(&self, record: &Record) -> Result<()> {
        let Some(monitor) = record.state.monitor.clone().filter(|_| is_watched(record)) else {
            return self.bury(record);
        };
        self.kill(record, Signal::SIGKILL as i32)?;
        await_end(&monitor, None);
        Ok(())
    }
}
