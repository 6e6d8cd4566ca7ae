//! The watch: the small program, one poll(2) for as long as the container runs.
//!
//! Bytes go from the program to the log and to whoever is attached, and back. The log is written
//! first, so what was seen can be read again. It also executes the checks of the program's health,
//! and waits out the time before a next start. It knows no record and no runtime.

use std::{
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixListener,
    },
    time::{Duration, Instant},
};

use ground::Error;
use namespaces::{Exit, pidfd};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::Signal,
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
};

use super::{
    checks::Checks,
    clients::{self, Client},
    ends::{Came, Ends},
    handover::{Open, Task, Watch, Watched},
};
use crate::{
    container::{
        Frame, NOBODY_SAW,
        logs::{Stream, Writer},
    },
    sys,
};

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// How long output may still come after the first process has ended. Its PID namespace dies with
/// it, so usually the pipes are closed at once.
const DRAIN: Duration = Duration::from_secs(2);

/// After this long without anything to do memory is given back.
const IDLE: Duration = Duration::from_secs(1);

/// Does what it was told, and becomes the large program again. Returns only what kept it from that.
pub fn watch(watch: Watch) -> Error {
    let Watch { program, task, open } = watch;
    let mut watcher = Watcher::new(&program, &task, open);
    watcher.run();
    let exit_code = watcher.process.take().map(|process| reap(&process));
    // The disk may be full; the container has ended all the same.
    let _ = watcher.log.take().map(Writer::finish);
    // Nobody reads these any more: the program must not be kept from ending.
    drop(std::mem::take(&mut watcher.ends));
    let (listener, clients) = (watcher.listener, watcher.clients);
    let note = task.note.clone();
    Watched { exit_code, listener, clients, note }.end(&program, &task.back)
}

struct Watcher<'a> {
    task: &'a Task,
    ends: Ends,
    clients: Vec<Client>,
    listener: Option<UnixListener>,
    log: Option<Writer>,
    process: Option<OwnedFd>,
    checks: Option<Checks<'a>>,
    buffer: Vec<u8>,
    ended: Option<Instant>,
    until: Option<Instant>,
    woken: bool,
}

/// What poll(2) may find.
#[derive(Debug, Clone, Copy)]
enum Source {
    Output,
    Errors,
    Input,
    Process,
    Listener,
    Client(usize),
    Check,
}

impl<'a> Watcher<'a> {
    fn new(program: &'a OwnedFd, task: &'a Task, open: Open) -> Self {
        let Open { process, input, output, errors, listener, clients } = open;
        let check = task.check.as_ref();
        Self {
            task,
            ends: Ends::take([input, output, errors], task.is_terminal),
            clients,
            listener: listener.filter(does_not_wait),
            log: task.log.clone().and_then(|target| Writer::open(target).ok()),
            checks: check.map(|check| Checks::new(program, check, process.as_ref())),
            process,
            buffer: Vec::new(),
            ended: None,
            until: task.wait_ms.map(|time| Instant::now() + Duration::from_millis(time)),
            woken: false,
        }
    }

    fn run(&mut self) {
        while !self.is_over() {
            let Ok(found) = self.wait() else { break };
            // From behind: a client that leaves moves only those that were served.
            for source in found.into_iter().rev() {
                self.serve(source);
            }
            if let Some(checks) = &mut self.checks {
                checks.go_on();
            }
        }
    }

    fn is_over(&self) -> bool {
        let drained = |since: Instant| self.ends.are_done() || since.elapsed() > DRAIN;
        let waited = self.until.is_some_and(|until| self.woken || until <= Instant::now());
        waited || self.ended.is_some_and(drained)
    }

    /// Waits for something to happen.
    fn wait(&mut self) -> Result<Vec<Source>, Errno> {
        let mut timeout = self.timeout();
        let may_rest = !self.buffer.is_empty() && timeout.is_none_or(|timeout| timeout > IDLE);
        if may_rest {
            timeout = Some(IDLE);
        }
        let watched = self.watched();
        let mut fds: Vec<_> =
            watched.iter().map(|(_, fd, flags)| PollFd::new(*fd, *flags)).collect();
        let timeout = timeout.map_or(PollTimeout::NONE, |time| {
            // Rounded up: a wait that ends too early would only be waited again.
            PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        let found: Vec<Source> = fds
            .iter()
            .zip(&watched)
            .filter(|(fd, _)| is_ready(fd))
            .map(|(_, (source, ..))| *source)
            .collect();
        drop((fds, watched));
        if found.is_empty() && may_rest {
            self.buffer = Vec::new();
            let _ = self.log.as_mut().map(Writer::rest);
            sys::give_memory_back();
        }
        Ok(found)
    }

    fn timeout(&self) -> Option<Duration> {
        let drain = self.ended.map(|_| Duration::from_millis(100));
        let until = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let check = self.checks.as_ref().and_then(Checks::timeout);
        [drain, until, check].into_iter().flatten().min()
    }

    fn watched(&self) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let (read, write) = (PollFlags::POLLIN, PollFlags::POLLOUT);
        let mut watched: Vec<(Source, BorrowedFd<'_>, PollFlags)> = Vec::new();
        let is_full = self.clients.iter().any(Client::is_full) && self.ended.is_none();
        // Served from behind: output before errors.
        let errors = self.ends.errors.as_ref().filter(|_| !is_full);
        watched.extend(errors.map(|file| (Source::Errors, file.as_fd(), read)));
        let output = self.ends.output.as_ref().filter(|_| !is_full);
        watched.extend(output.map(|file| (Source::Output, file.as_fd(), read)));
        let input = self.ends.input.as_ref().filter(|_| self.ends.has_pending());
        watched.extend(input.map(|file| (Source::Input, file.as_fd(), write)));
        let process = self.process.as_ref().filter(|_| self.ended.is_none());
        watched.extend(process.map(|process| (Source::Process, process.as_fd(), read)));
        watched.extend(self.listener.as_ref().map(|it| (Source::Listener, it.as_fd(), read)));
        for (index, client) in self.clients.iter().enumerate() {
            // Input that the program does not take stays with the client.
            let is_heard = !self.ends.has_pending() && !client.leaves();
            let hears = if is_heard { read } else { PollFlags::empty() };
            let tells = if client.has_rest() { write } else { PollFlags::empty() };
            watched.push((Source::Client(index), client.fd(), hears | tells));
        }
        let check = self.checks.as_ref().and_then(Checks::fd);
        watched.extend(check.map(|check| (Source::Check, check, read)));
        watched
    }

    fn serve(&mut self, source: Source) {
        match source {
            Source::Output => self.copy(Stream::Stdout),
            Source::Errors => self.copy(Stream::Stderr),
            Source::Input => self.ends.feed(),
            Source::Process => self.ended = Some(Instant::now()),
            Source::Listener => self.welcome(),
            Source::Client(index) => self.attend(index),
            Source::Check => {
                if let Some(checks) = &mut self.checks {
                    checks.ended();
                }
            }
        }
    }

    /// One piece from the program to the log and to the clients.
    fn copy(&mut self, stream: Stream) {
        self.buffer.resize(BUFFER, 0);
        let Came::Bytes(count) = self.ends.read(stream, &mut self.buffer) else { return };
        let bytes = &self.buffer[..count];
        // A full disk costs lines of the log, not the container.
        let _ = self.log.as_mut().map(|log| log.write(stream, bytes));
        if self.clients.is_empty() {
            return;
        }
        let frame = clients::output(stream, bytes);
        for index in (0..self.clients.len()).rev() {
            if !self.clients[index].output(&frame) {
                self.left(index);
            }
        }
    }

    fn welcome(&mut self) {
        if let Some(Ok((socket, _))) = self.listener.as_ref().map(UnixListener::accept) {
            self.clients.push(Client::new(socket));
        }
    }

    fn attend(&mut self, index: usize) {
        if !self.clients[index].flush() {
            return self.left(index);
        }
        if self.clients[index].leaves() {
            if !self.clients[index].has_rest() {
                self.left(index);
            }
            return;
        }
        match self.clients[index].hear() {
            Some(frames) => frames.into_iter().for_each(|frame| self.obey(frame)),
            None => self.left(index),
        }
    }

    /// A client has gone. If it gave the input and nobody else is to, there will be no more.
    fn left(&mut self, index: usize) {
        let client = self.clients.remove(index);
        if client.speaks() && self.task.input_once {
            self.ends.end_input();
        }
    }

    fn obey(&mut self, frame: Frame) {
        match frame {
            Frame::Input(bytes) => self.ends.add(&bytes),
            Frame::InputEnd if self.task.input_once => self.ends.end_input(),
            Frame::Resize { rows, columns } => {
                if let Some(terminal) = self.ends.output.as_ref().filter(|_| self.ends.is_terminal)
                {
                    let _ = sys::set_window_size(terminal, rows, columns);
                }
            }
            Frame::Signal(number) => {
                if let (Ok(signal), Some(process)) = (Signal::try_from(number), &self.process) {
                    let _ = pidfd::send_signal(process, signal);
                }
            }
            Frame::Wake => self.woken = true,
            _ => {}
        }
    }
}

/// Makes a listener one that does not wait for a client that has gone again.
fn does_not_wait(listener: &UnixListener) -> bool {
    listener.set_nonblocking(true).is_ok()
}

/// The exit status of the first process, which is our child by now.
fn reap(process: &OwnedFd) -> i32 {
    loop {
        match waitid(Id::PIDFd(process.as_fd()), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, code)) => return Exit::Code(code).code().into(),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Exit::Signal(signal).code().into(),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return NOBODY_SAW,
        }
    }
}
