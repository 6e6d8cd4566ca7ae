//! The monitor: one small process that watches over one container, from before its start until
//! after its end.
//!
//! It has a session and a mount namespace of its own, so that neither a closed terminal nor an end
//! of the command that started it means anything to the container, and so that the overlay is
//! mounted nowhere but here and inside. As a subreaper (PR_SET_CHILD_SUBREAPER(2const)) it becomes
//! the parent of the container's first process when the runtime has exited, and so it is the one
//! that learns the exit status.
//!
//! ```text
//!   run/start ── exec ──> monitor ── prepare: overlay, bundle
//!                            ├──── exec ──> runtime create ──> first process, waiting
//!                            ├──── exec ──> runtime start  ──> .. becomes the program
//!             <── Started ───┤
//!             <── Output ────┼──< stdout, stderr ──> log
//!             ─── Input ─────┼──> stdin
//!                            ├──< pidfd readable: waitid(2)
//!                            ├──── exec ──> runtime delete
//!                            ├──── record: exited, code, time
//!             <── Exited ────┘──── clean up
//! ```

mod console;
mod pump;

use std::{
    fs,
    io::Write,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use namespaces::{Exit, pidfd};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::{
        prctl,
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::{Pid, pipe2},
};

use super::{Frame, Identity, NOBODY_SAW, Record, Status, logs, record};
use crate::{
    layout::ContainerLayout,
    runtime::{Create, Runtime},
};
use pump::{Ends, Pump};

/// What a monitor works on.
#[derive(Debug)]
pub struct Monitor {
    /// The container's directory.
    pub layout: ContainerLayout,
    /// The runtime of its choice.
    pub runtime: Runtime,
    /// Whoever started us, and is told what happens.
    pub client: UnixStream,
    /// Whether the client stays, to see the output and to give input.
    pub attached: bool,
}

/// What the rooms above do before and after: this room knows neither images nor bundles.
pub trait Surroundings {
    /// Mounts the root file system and writes the bundle.
    ///
    /// # Errors
    /// Whatever is missing for it.
    fn prepare(&mut self, record: &Record) -> Result<()>;

    /// The first process is there, in its cgroup, and the program has not begun.
    fn created(&mut self, pid: Pid);

    /// Whether the kernel has killed a process of the container for want of memory. Called while
    /// its cgroup is still there.
    fn oom_killed(&mut self) -> bool;

    /// Takes away what [`Surroundings::prepare`] made, and the whole container if it was to be
    /// removed.
    fn clean_up(&mut self, record: &Record);
}

impl Monitor {
    /// Watches over one run of the container. The caller is a process of its own with one thread,
    /// in a mount namespace of its own.
    ///
    /// # Errors
    /// When not even the record can be written. Everything else is told to the client and stands
    /// in the record.
    pub fn run(mut self, surroundings: &mut dyn Surroundings) -> Result<()> {
        let record = match self.claim() {
            Ok(record) => record,
            // Another monitor is there already: nothing of the container is ours.
            Err(error) => return self.tell(&Frame::Failed(error)),
        };
        match self.start(&record, surroundings) {
            Ok(running) => self.watch(running, surroundings),
            Err(error) => self.give_up(&record, error, surroundings),
        }
    }

    /// Becomes the monitor of the container, if it has none.
    fn claim(&self) -> Result<Record> {
        let ourselves = Identity::of(Pid::this())?;
        prctl::set_child_subreaper(true).map_err(|errno| {
            Error::new("cannot watch the container")
                .call("prctl(PR_SET_CHILD_SUBREAPER, 1)", errno)
                .see("2 PR_SET_CHILD_SUBREAPER")
        })?;
        Record::update(&self.layout, |record| {
            if record.state.monitor.as_ref().is_some_and(Identity::is_alive) {
                return Err(Error::new(format!("container {} is already started", record.name)));
            }
            if !record.state.status.may_become(Status::Running) {
                return Err(Error::new(format!("container {} cannot be started", record.name))
                    .why(format!("it is {}", record.state.status.as_str())));
            }
            record.state.monitor = Some(ourselves);
            record.state.error = None;
            Ok(record.clone())
        })
    }

    fn start(&mut self, record: &Record, surroundings: &mut dyn Surroundings) -> Result<Running> {
        let cannot = |error: std::io::Error| {
            Error::new("cannot prepare the container").io(self.layout.dir().display(), &error)
        };
        // Whoever waits reads the exit status from this file, also when the directory is gone.
        fs::write(self.layout.exit(), b"").map_err(cannot)?;
        surroundings.prepare(record)?;
        let log = logs::Writer::open(&self.layout.log()).map_err(cannot)?;
        let bundle = self.layout.bundle();
        let pid_file = bundle.join("pid");
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
                console_socket: console.is_some().then_some(Path::new(console::SOCKET)),
                streams,
            },
        )?;
        let pid = read_pid(&pid_file)?;
        let pidfd = pidfd::open(pid)?;
        surroundings.created(pid);
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
            Ok(record.clone())
        })?;
        Ok(Running { record, pidfd, ends, log })
    }

    fn watch(mut self, running: Running, surroundings: &mut dyn Surroundings) -> Result<()> {
        let Running { record, pidfd, ends, log } = running;
        record.event("start").record(self.layout.events());
        // A client that is gone does not keep the container from running.
        let _ = self.tell(&Frame::Started);
        let client = self.client.try_clone().ok();
        let pump = Pump::new(ends, log, client, self.attached);
        pump.run(&pidfd);
        let code = reap(&pidfd);
        let oom_killed = surroundings.oom_killed();
        if oom_killed {
            record.event("oom").record(self.layout.events());
        }
        let died = record.event("die").with("exitCode", code.to_string());
        died.record(self.layout.events());
        // What is left of it, another process of its cgroup or a dead one, is not worth a failure.
        let _ = self.runtime.delete(&record.id, &self.layout.bundle());
        let record = Record::update(&self.layout, |record| {
            record.state.become_(Status::Exited)?;
            record.state.exit_code = code;
            record.state.oom_killed = oom_killed;
            record.state.finished = Some(record::now());
            record.state.pid = None;
            record.state.monitor = None;
            Ok(record.clone())
        })?;
        let _ = fs::write(self.layout.exit(), code.to_string());
        surroundings.clean_up(&record);
        let _ = self.tell(&Frame::Exited(code));
        Ok(())
    }

    /// A start that failed: the container is as before, and knows why.
    fn give_up(
        mut self,
        record: &Record,
        error: Error,
        surroundings: &mut dyn Surroundings,
    ) -> Result<()> {
        let _ = self.runtime.delete(&record.id, &self.layout.bundle());
        let record = Record::update(&self.layout, |record| {
            record.state.exit_code = error.exit_code.into();
            record.state.error = Some(error.to_string());
            record.state.pid = None;
            record.state.monitor = None;
            Ok(record.clone())
        })?;
        let _ = fs::write(self.layout.exit(), error.exit_code.to_string());
        surroundings.clean_up(&record);
        let _ = self.tell(&Frame::Failed(error));
        Ok(())
    }

    fn tell(&mut self, frame: &Frame) -> Result<()> {
        self.client
            .write_all(&frame.encode())
            .map_err(|error| Error::new("nobody listens any more").io("write", &error))
    }
}

/// A container whose program runs.
struct Running {
    record: Record,
    pidfd: OwnedFd,
    ends: Ends,
    log: logs::Writer,
}

/// Our ends and the program's ends of its standard streams.
fn streams(record: &Record) -> Result<(Ends, [OwnedFd; 3])> {
    if record.options.tty {
        return Ok((Ends::none(), [null()?, null()?, null()?]));
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

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
        Error::new("cannot talk to the program").call("pipe2(O_CLOEXEC)", errno).see("2 pipe")
    })
}

fn null() -> Result<OwnedFd> {
    let file = fs::File::options().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from)
        .map_err(|error| Error::new("cannot prepare the container").io("open /dev/null", &error))
}

fn read_pid(path: &PathBuf) -> Result<Pid> {
    let text = fs::read_to_string(path).ok();
    text.and_then(|text| text.trim().parse().ok()).map(Pid::from_raw).ok_or_else(|| {
        Error::new("cannot find the container's first process")
            .why(format!("the runtime wrote no PID to {}", path.display()))
            .fix("try another runtime: --runtime runc")
    })
}

/// The exit status of the first process, which is our child by now.
fn reap(pidfd: &OwnedFd) -> i32 {
    use std::os::fd::AsFd;
    loop {
        match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, code)) => return Exit::Code(code).code().into(),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Exit::Signal(signal).code().into(),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return NOBODY_SAW,
        }
    }
}
