//! The end: the program has ended, and what follows from that.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use ground::{Error, Result};

use super::{Monitor, Open, Surroundings, Task, Watch, handover, see_off};
use crate::container::{Frame, Record, Status, record, restart::Run};

impl Monitor {
    /// The program has ended: the record says so, and its policy whether it is started again.
    pub(super) fn ended(mut self, code: i32, surroundings: &mut dyn Surroundings) -> Result<()> {
        let oom_killed = surroundings.oom_killed();
        // What is left of it, another process of its cgroup or a dead one, is not worth a failure.
        let id = self.layout.dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let _ = self.runtime.delete(&id, &self.layout.bundle());
        let mut delay = None;
        let record = Record::update(&self.layout, |record| {
            record.state.exit_code = code;
            record.state.oom_killed = oom_killed;
            record.state.finished = Some(record::now());
            record.state.pid = None;
            delay = record.options.restart.after(run(record));
            match delay {
                Some(delay) => {
                    record.state.become_(Status::Restarting)?;
                    record.state.restart_count += 1;
                    record.state.restart_delay_ms = delay.as_millis().try_into().unwrap_or(0);
                }
                None => {
                    record.state.become_(Status::Exited)?;
                    record.state.ends_watch();
                }
            }
            Ok(record.clone())
        })?;
        self.write_down(&record, oom_killed);
        let _ = fs::write(self.layout.exit(), code.to_string());
        match delay {
            Some(delay) => {
                surroundings.clean_up(&staying(&record));
                // Who is slow takes the rest while the container goes on: nobody holds up its policy.
                let frame = Frame::Restarts(code).encode();
                self.clients.retain_mut(|client| client.dismiss(&frame));
                self.rest(delay)
            }
            None => {
                // Nobody must come any more: there would be no answer.
                self.listener = None;
                self.leave(&staying_if_it_comes_back(&record), surroundings);
                self.see_off(&Frame::Exited(code));
                Ok(())
            }
        }
    }

    /// Tidies up, and lets the next monitor begin: what we take away is where it puts its own.
    fn leave(&self, record: &Record, surroundings: &mut dyn Surroundings) {
        surroundings.clean_up(record);
        // Its directory may be gone, or somebody is at it.
        let _ = Record::update(&self.layout, |record| {
            record.state.leaving = None;
            match record.state.status {
                Status::Removing => Err(Error::new("nothing may be written there any more")),
                _ => Ok(()),
            }
        });
    }

    fn write_down(&self, record: &Record, oom_killed: bool) {
        let events = self.layout.events();
        if oom_killed {
            record.event("oom").record(events);
        }
        let died = record.event("die").with("exitCode", record.state.exit_code.to_string());
        died.with("execDuration", run(record).lasted.as_secs().to_string()).record(events);
    }

    pub(super) fn see_off(&mut self, frame: &Frame) {
        see_off(std::mem::take(&mut self.clients), frame);
    }

    /// Becomes the small program, until it is time for the next start.
    fn rest(self, delay: Duration) -> Result<()> {
        let id = self.layout.dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let task = Task {
            back: handover::words(&self.root, &[handover::MONITOR, &id]),
            wait_ms: Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            is_terminal: false,
            input_once: false,
            log: None,
            check: None,
            note: String::new(),
        };
        let open = Open { listener: self.listener, clients: self.clients, ..Open::default() };
        Err(Self::hand_over(Watch { program: handover::ourselves()?, task, open }))
    }

    /// The time is over, or somebody has stopped the container meanwhile.
    pub(super) fn again(mut self, surroundings: &mut dyn Surroundings) -> Result<()> {
        let record = Record::update(&self.layout, |record| {
            if record.state.stopped {
                record.state.become_(Status::Exited)?;
                record.state.ends_watch();
            }
            Ok(record.clone())
        })?;
        if record.state.status == Status::Restarting {
            return self.start(&record, surroundings);
        }
        self.listener = None;
        self.leave(&staying_if_it_comes_back(&record), surroundings);
        self.see_off(&Frame::Exited(record.state.exit_code));
        Ok(())
    }

    /// A start that failed: the container is as before, and knows why.
    pub(super) fn give_up(
        mut self,
        record: &Record,
        error: Error,
        surroundings: &mut dyn Surroundings,
    ) -> Result<()> {
        let _ = self.runtime.delete(&record.id, &self.layout.bundle());
        let record = Record::update(&self.layout, |record| {
            if record.state.status.is_up() {
                record.state.become_(Status::Exited)?;
            }
            record.state.exit_code = error.exit_code.into();
            record.state.error = Some(error.to_string());
            record.state.pid = None;
            record.state.ends_watch();
            Ok(record.clone())
        })?;
        self.listener = None;
        let _ = fs::write(self.layout.exit(), error.exit_code.to_string());
        self.leave(&record, surroundings);
        self.see_off(&Frame::Failed(error));
        Ok(())
    }
}

/// The run that is described by the record.
fn run(record: &Record) -> Run {
    let state = &record.state;
    let time = |text: &Option<String>| -> Option<SystemTime> {
        humantime::parse_rfc3339(text.as_deref()?).ok()
    };
    let ended = time(&state.finished).unwrap_or_else(SystemTime::now);
    let lasted = time(&state.started).and_then(|started| ended.duration_since(started).ok());
    Run {
        exit_code: state.exit_code,
        lasted: lasted.unwrap_or_default(),
        stopped: state.stopped,
        count: state.restart_count,
        delay: Duration::from_millis(state.restart_delay_ms),
    }
}

/// The same container, which is not to be removed yet.
fn staying(record: &Record) -> Record {
    let mut record = record.clone();
    record.options.remove = false;
    record
}

fn staying_if_it_comes_back(record: &Record) -> Record {
    if record.state.comes_back { staying(record) } else { record.clone() }
}
