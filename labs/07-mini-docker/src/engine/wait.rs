//! wait: until a container has ended.

use std::{
    fs::File,
    io::{Read, Seek},
    os::fd::AsFd,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{Engine, Result};
use crate::container::{Identity, NOBODY_SAW, Record};

impl Engine {
    /// Waits until the container does not run, and returns its exit status. A container that does
    /// not run has ended already.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn wait(&self, record: &Record) -> Result<i32> {
        // Opened first: with `--rm` the name is gone when the program has ended.
        let exit = File::open(self.container_layout(record).exit());
        if let Some(monitor) = &record.state.monitor {
            await_end(monitor, None);
        }
        if let Some(code) = exit.ok().and_then(read_code) {
            return Ok(code);
        }
        let now = Record::read(&self.container_layout(record))?;
        Ok(now.map_or(NOBODY_SAW, |record| self.truth(record).state.exit_code))
    }
}

fn read_code(mut file: File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Waits until the monitor is gone, or the time is over. Whether it is gone.
pub(super) fn await_end(monitor: &Identity, at_most: Option<Duration>) -> bool {
    let Some(pidfd) = monitor.open() else { return true };
    let timeout = at_most
        .map_or(PollTimeout::NONE, |time| PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
    loop {
        let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ended, timeout) {
            Err(Errno::EINTR) => {}
            Ok(0) => return false,
            _ => return true,
        }
    }
}
