//! logs: what a container wrote, and what it writes.

use std::{io, time::Duration};

use ground::Error as Report;

use super::{Engine, Error, Result, is_watched};
use crate::container::{
    self, LogDriver, Record,
    logs::{Line, Reader},
};

/// How often a growing log is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// What of a log is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// Only the last lines, this many.
    pub tail: Option<usize>,
    /// Whether to go on until the container ends.
    pub follow: bool,
    /// Only lines from this time on (RFC 3339, UTC).
    pub since: Option<String>,
    /// Only lines before this time.
    pub until: Option<String>,
}

impl Engine {
    /// Gives the lines to `on_line` until it says that it has enough (`false`). It is called with
    /// nothing when there is nothing further for now.
    ///
    /// # Errors
    /// When the log cannot be read, or there is none (`--log-driver none`).
    pub fn logs(
        &self,
        record: &Record,
        wanted: &Logs,
        on_line: &mut dyn FnMut(Option<Line<'_>>) -> bool,
    ) -> Result<()> {
        if record.options.log.driver == LogDriver::None {
            return Err(Error::invalid(
                Report::new("configured logging driver does not support reading")
                    .why("the container was made with --log-driver none")
                    .fix("make it with --log-driver json-file, which is what you get by default"),
            ));
        }
        let path = self.container_layout(record).log();
        let unreadable = |error: io::Error| {
            Report::new("cannot read the container's log").io(path.display(), &error)
        };
        let mut reader = Reader::open(&path).map_err(unreadable)?;
        if let Some(count) = wanted.tail {
            reader.tail(count).map_err(unreadable)?;
        }
        let mut record = Some(record.clone());
        loop {
            // Before the reading: what is written before the end is read after it.
            let may_grow = wanted.follow && record.as_ref().is_some_and(is_watched);
            while let Some(line) = reader.next_line().map_err(unreadable)? {
                if wanted.until.as_ref().is_some_and(|until| line.time >= until.as_str()) {
                    // All that follow came later.
                    return Ok(());
                }
                let early = wanted.since.as_ref().is_some_and(|since| line.time < since.as_str());
                if !early && !on_line(Some(line)) {
                    return Ok(());
                }
            }
            let is_over = wanted.until.as_ref().is_some_and(|until| container::now() >= *until);
            if !may_grow || is_over || !on_line(None) {
                return Ok(());
            }
            std::thread::sleep(EVERY);
            record =
                record.and_then(|record| Record::read(&self.container_layout(&record)).ok()?);
        }
    }
}
