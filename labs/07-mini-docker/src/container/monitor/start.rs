//! The start: from a record to a program that runs.

use std::{fs, os::fd::OwnedFd, path::Path, time::Duration};

use ground::{Error, Result};
use namespaces::pidfd;
use nix::{
    fcntl::OFlag,
    sys::prctl,
    unistd::{Pid, pipe2},
};

use super::{
    Monitor, Open, Surroundings, Task, Watch, console,
    ends::Ends,
    handover::{self, Check},
};
use crate::{
    container::{Frame, Health, Identity, LogDriver, Record, Status, logs, record, socket},
    runtime::Create,
};

/// How often the record is looked at while the last monitor tidies up.
const LEAVE_LOOK: Duration = Duration::from_millis(10);

/// Whose the container is.
enum Claimed {
    Ours(Box<Record>),
    /// Still this one's.
    Leaving(Identity),
}

impl Monitor {
    /// Becomes the monitor of the container, if it has none. One that still tidies up after the last
    /// run is waited for: it would take away what we make.
    pub(super) fn claim(&self) -> Result<Record> {
        let ourselves = Identity::of(Pid::this())?;
        prctl::set_child_subreaper(true).map_err(|errno| {
            Error::new("cannot watch the container")
                .call("prctl(PR_SET_CHILD_SUBREAPER, 1)", errno)
                .see("2 PR_SET_CHILD_SUBREAPER")
        })?;
        loop {
            match self.claim_for(&ourselves)? {
                Claimed::Ours(record) => return Ok(*record),
                Claimed::Leaving(last) => drop(last.await_end(Some(LEAVE_LOOK))),
            }
        }
    }

    fn claim_for(&self, ourselves: &Identity) -> Result<Claimed> {
        Record::update(&self.layout, |record| {
            if let Some(last) = record.state.leaving.clone().filter(Identity::is_alive) {
                return Ok(Claimed::Leaving(last));
            }
            if record.state.monitor.as_ref().is_some_and(Identity::is_alive) {
                return Err(Error::new(format!("container {} is already started", record.name)));
            }
            if !record.state.status.may_become(Status::Running) {
                return Err(Error::new(format!("container {} cannot be started", record.name))
                    .why(format!("it is {}", record.state.status.as_str())));
            }
            let state = &mut record.state;
            state.monitor = Some(ourselves.clone());
            state.leaving = None;
            state.error = None;
            (state.stopped, state.comes_back) = (false, false);
            (state.restart_count, state.restart_delay_ms) = (0, 0);
            Ok(Claimed::Ours(Box::new(record.clone())))
        })
    }

    /// Starts the container and becomes the small program that watches over it.
    pub(super) fn start(
        mut self,
        record: &Record,
        surroundings: &mut dyn Surroundings,
    ) -> Result<()> {
        match self.begin(record, surroundings) {
            Ok((record, mut watch)) => {
                record.event("start").record(self.layout.events());
                self.tell(&Frame::Started);
                watch.task.note = surroundings.note();
                watch.open.listener = self.listener;
                watch.open.clients = self.clients;
                Err(Self::hand_over(watch))
            }
            Err(error) => self.give_up(record, error, surroundings),
        }
    }

    fn begin(
        &mut self,
        record: &Record,
        surroundings: &mut dyn Surroundings,
    ) -> Result<(Record, Watch)> {
        let cannot = |error: std::io::Error| {
            Error::new("cannot prepare the container").io(self.layout.dir().display(), &error)
        };
        // Whoever waits reads the exit status from this file, also when the directory is gone.
        fs::write(self.layout.exit(), b"").map_err(cannot)?;
        if self.listener.is_none() {
            self.listener = Some(socket::listen(self.layout.dir()).map_err(cannot)?);
        }
        surroundings.prepare(record)?;
        let bundle = self.layout.bundle();
        let pid_file = self.layout.pid_file();
        let console = record.options.tty.then(|| console::Listener::bind(&bundle)).transpose()?;
        let (ends, streams) = streams(record)?;
        if self.layout.runtime().exists() {
            // An earlier monitor was killed, and nobody has cleaned up after it yet.
            let _ = self.runtime.delete(&record.id, &bundle);
        }
        let _ = fs::remove_file(bundle.join("log.json"));
        self.runtime.create(
            &record.id,
            Create {
                bundle: &bundle,
                pid_file: &pid_file,
                console_socket: console.as_ref().map(|console| console.name.as_path()),
                streams,
            },
        )?;
        let pid = read_pid(&pid_file)?;
        let process = pidfd::open(pid)?;
        surroundings.created(record, pid)?;
        let ends = match console {
            Some(listener) => Ends::terminal(listener.receive()?),
            None => ends,
        };
        let record = Record::update(&self.layout, |record| {
            record.state.pid = Some(pid.as_raw());
            Ok(record.clone())
        })?;
        self.runtime.start(&record.id, &bundle)?;
        let record = Record::update(&self.layout, |record| {
            record.state.become_(Status::Running)?;
            record.state.started = Some(record::now());
            record.state.finished = None;
            record.state.oom_killed = false;
            record.state.health = record.health_plan().map(|_| Health::starting());
            Ok(record.clone())
        })?;
        let watch = self.watch(&record, ends, process)?;
        Ok((record, watch))
    }

    /// What the small program has to do for a container that runs, and holds of it.
    fn watch(&self, record: &Record, ends: Ends, process: OwnedFd) -> Result<Watch> {
        let is_terminal = ends.is_terminal;
        let [input, output, errors] = ends.give();
        let words = |verb: &str| handover::words(&self.root, &[verb, &record.id]);
        let task = Task {
            back: words(handover::MONITOR),
            wait_ms: None,
            is_terminal,
            input_once: record.options.stdin_once,
            log: self.log(record),
            check: check(record, words(handover::PROBE)),
            note: String::new(),
        };
        let process = Some(process);
        let open = Open { process, input, output, errors, ..Open::default() };
        Ok(Watch { program: handover::ourselves()?, task, open })
    }

    fn log(&self, record: &Record) -> Option<logs::Target> {
        let options = &record.options.log;
        (options.driver == LogDriver::JsonFile).then(|| logs::Target {
            path: self.layout.log(),
            max_size: options.max_size,
            max_files: options.max_files.unwrap_or(1),
            attributes: attributes(record),
        })
    }
}

/// What `--log-opt labels=A,B` and `env=C` add to each line.
fn attributes(record: &Record) -> Option<String> {
    let named = |option: &str| -> Vec<String> {
        let names = record.options.log.written.get(option);
        names.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect()
    };
    let mut attributes = serde_json::Map::new();
    for name in named("labels") {
        let value = record.config.labels.iter().flatten().find(|(label, _)| **label == name);
        attributes.extend(value.map(|(_, value)| (name, value.clone().into())));
    }
    let env = || record.config.env.iter().flatten().filter_map(|entry| entry.split_once('='));
    for name in named("env") {
        let value = env().find(|(variable, _)| *variable == name);
        attributes.extend(value.map(|(_, value)| (name, value.into())));
    }
    (!attributes.is_empty()).then(|| serde_json::Value::Object(attributes).to_string())
}

fn check(record: &Record, words: Vec<std::ffi::OsString>) -> Option<Check> {
    let plan = record.health_plan()?;
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let first = if plan.start_period.is_zero() { plan.interval } else { plan.start_interval };
    Some(Check { words, every_ms: ms(plan.interval), first_ms: ms(first) })
}

/// Our ends and the program's ends of its standard streams.
fn streams(record: &Record) -> Result<(Ends, [OwnedFd; 3])> {
    if record.options.tty {
        return Ok((Ends::default(), [null()?, null()?, null()?]));
    }
    let (stdin, input) = match record.options.interactive {
        true => {
            let (read, write) = pipe()?;
            (read, Some(write))
        }
        false => (null()?, None),
    };
    let (output, stdout) = pipe()?;
    let (errors, stderr) = pipe()?;
    Ok((Ends::pipes(input, output, errors), [stdin, stdout, stderr]))
}

/// A pipe, its reading and its writing end.
///
/// # Errors
/// As pipe2(2).
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
        Error::new("cannot talk to the program").call("pipe2(O_CLOEXEC)", errno).see("2 pipe")
    })
}

fn null() -> Result<OwnedFd> {
    let file = fs::File::options().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from)
        .map_err(|error| Error::new("cannot prepare the container").io("open /dev/null", &error))
}

/// The number that a runtime wrote into its `--pid-file`.
///
/// # Errors
/// It wrote none.
pub fn read_pid(path: &Path) -> Result<Pid> {
    let text = fs::read_to_string(path).ok();
    text.and_then(|text| text.trim().parse().ok()).map(Pid::from_raw).ok_or_else(|| {
        Error::new("cannot find the container's first process")
            .why(format!("the runtime wrote no PID to {}", path.display()))
            .fix("try another runtime: --runtime runc")
    })
}
