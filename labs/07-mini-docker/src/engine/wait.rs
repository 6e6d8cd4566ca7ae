//! wait: until a container has ended.

use std::{
    fs::File,
    io::{Read, Seek},
    time::Duration,
};

use super::{Engine, Result, is_watched};
use crate::container::{Frame, NOBODY_SAW, Record, Status};

/// How often a container that is to be removed, or started, is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Until {
    /// It does not run; one that does not has ended already.
    #[default]
    NotRunning,
    /// It ends, if need be after a start that is still to come.
    NextExit,
    /// It is removed.
    Removed,
}

impl Engine {
    /// Waits for a container, and returns its exit status.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn wait(&self, record: &Record, until: Until) -> Result<i32> {
        // Opened first: with `--rm` the name is gone when the program has ended.
        let mut exit = File::open(self.container_layout(record).exit()).ok();
        let mut record = self.truth(record.clone());
        let last_start = record.state.started.clone();
        // A short run may begin and end between two looks.
        while until == Until::NextExit && !is_watched(&record) && record.state.started == last_start
        {
            std::thread::sleep(LOOK);
            let Some(now) = Record::read(&self.container_layout(&record))? else { break };
            record = now;
            exit = File::open(self.container_layout(&record).exit()).ok();
        }
        let heard = self.listen(&record).and_then(|mut session| {
            while let Ok(Some(frame)) = session.next_frame() {
                if let Frame::Exited(code) | Frame::Restarts(code) = frame {
                    return Some(code);
                }
            }
            None
        });
        let code = match heard {
            Some(code) => code,
            // It has just ended, or its monitor was killed.
            None => self.last_exit(&record, exit)?,
        };
        while until == Until::Removed && self.container_layout(&record).record().exists() {
            std::thread::sleep(LOOK);
        }
        Ok(code)
    }

    fn last_exit(&self, record: &Record, exit: Option<File>) -> Result<i32> {
        if let Some(monitor) = record.state.monitor.as_ref().filter(|_| is_starting(record)) {
            monitor.await_end(None);
        }
        if let Some(code) = exit.and_then(read_code) {
            return Ok(code);
        }
        let now = Record::read(&self.container_layout(record))?;
        Ok(now.map_or(NOBODY_SAW, |record| self.truth(record).state.exit_code))
    }
}

/// Whether its monitor is there and does not listen yet, or not any more.
fn is_starting(record: &Record) -> bool {
    is_watched(record) && record.state.status != Status::Restarting
}

fn read_code(mut file: File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.parse().ok()
}
