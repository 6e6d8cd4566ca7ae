//! The pump: bytes from the program to the log and to whoever is attached, and back.
//!
//! One thread, one poll(2). The log is written before the client, so what was seen can be read
//! again. Input waits in a buffer until the program takes it; as long as it does, no more is read
//! from the client, whose own write then waits as it would on a pipe.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use namespaces::pidfd;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
};

use crate::{
    container::{
        Frame,
        logs::{self, Stream},
    },
    sys,
};

const BUFFER: usize = 64 << 10;

/// How long output may still come after the first process has ended. Its PID namespace dies with
/// it, so usually the pipes are closed at once.
const DRAIN: Duration = Duration::from_secs(2);

/// Our ends of the program's streams.
#[derive(Debug)]
pub struct Ends {
    input: Option<File>,
    output: Option<File>,
    errors: Option<File>,
    is_terminal: bool,
}

impl Ends {
    /// No end at all.
    pub fn none() -> Self {
        Self { input: None, output: None, errors: None, is_terminal: false }
    }

    /// Pipes; without an input the program reads end-of-file.
    pub fn pipes(input: Option<OwnedFd>, output: OwnedFd, errors: OwnedFd) -> Self {
        Self {
            input: input.map(File::from),
            output: Some(output.into()),
            errors: Some(errors.into()),
            is_terminal: false,
        }
    }

    /// The master side of a terminal, which is input and output in one.
    pub fn terminal(master: OwnedFd) -> Self {
        let input = master.try_clone().ok().map(File::from);
        Self { input, output: Some(master.into()), errors: None, is_terminal: true }
    }
}

/// The state of the loop.
#[derive(Debug)]
pub struct Pump {
    ends: Ends,
    log: logs::Writer,
    client: Option<UnixStream>,
    attached: bool,
    from_client: Vec<u8>,
    // For the program, which has not taken it yet.
    pending: Vec<u8>,
    input_ends: bool,
}

/// What poll(2) found.
#[derive(Debug, Default, Clone, Copy)]
struct Ready {
    output: bool,
    errors: bool,
    client: bool,
    input: bool,
    ended: bool,
}

impl Pump {
    /// A pump between these ends.
    pub fn new(ends: Ends, log: logs::Writer, client: Option<UnixStream>, attached: bool) -> Self {
        if let Some(input) = &ends.input {
            // A program that does not read must not stop us: the rest waits in `pending`.
            let _ = fcntl(input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        let client = client.filter(|_| attached);
        let (from_client, pending) = (Vec::new(), Vec::new());
        Self { ends, log, client, attached, from_client, pending, input_ends: false }
    }

    /// Runs until the process behind `pidfd` has ended and everything it wrote is in the log.
    pub fn run(mut self, pidfd: &OwnedFd) {
        let mut ended: Option<Instant> = None;
        loop {
            let is_done = self.ends.output.is_none() && self.ends.errors.is_none();
            if ended.is_some_and(|since| is_done || since.elapsed() > DRAIN) {
                break;
            }
            let Ok(ready) = self.wait(pidfd, ended.is_some()) else { break };
            if ready.ended && ended.is_none() {
                ended = Some(Instant::now());
            }
            self.serve(ready, pidfd);
        }
        // The disk may be full; the container has ended all the same.
        let _ = self.log.finish();
    }

    fn serve(&mut self, ready: Ready, pidfd: &OwnedFd) {
        if ready.output {
            self.copy(Stream::Stdout);
        }
        if ready.errors {
            self.copy(Stream::Stderr);
        }
        if ready.client {
            self.hear(pidfd);
        }
        if ready.input {
            self.feed();
        }
    }

    fn wait(&self, pidfd: &OwnedFd, ended: bool) -> Result<Ready, Errno> {
        let hears = self.client.as_ref().filter(|_| self.pending.is_empty());
        let feeds = self.ends.input.as_ref().filter(|_| !self.pending.is_empty());
        let watched = [
            self.ends.output.as_ref().map(|file| (file.as_fd(), PollFlags::POLLIN)),
            self.ends.errors.as_ref().map(|file| (file.as_fd(), PollFlags::POLLIN)),
            hears.map(|client| (client.as_fd(), PollFlags::POLLIN)),
            feeds.map(|input| (input.as_fd(), PollFlags::POLLOUT)),
            (!ended).then(|| (pidfd.as_fd(), PollFlags::POLLIN)),
        ];
        let mut fds: Vec<_> =
            watched.iter().flatten().map(|(fd, flags)| PollFd::new(*fd, *flags)).collect();
        let timeout = if ended { PollTimeout::from(100u8) } else { PollTimeout::NONE };
        while let Err(errno) = poll(&mut fds, timeout) {
            if errno != Errno::EINTR {
                return Err(errno);
            }
        }
        let mut answers = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let [output, errors, client, input, ended] =
            watched.map(|watched| watched.is_some() && answers.next().unwrap_or(false));
        Ok(Ready { output, errors, client, input, ended })
    }

    /// One piece from the program to the log and to the client.
    fn copy(&mut self, stream: Stream) {
        let end = match stream {
            Stream::Stdout => &mut self.ends.output,
            Stream::Stderr => &mut self.ends.errors,
        };
        let Some(file) = end else { return };
        let mut buffer = vec![0; BUFFER];
        match file.read(&mut buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => {}
            // A terminal whose last slave was closed answers EIO.
            Ok(0) | Err(_) => *end = None,
            Ok(count) => {
                buffer.truncate(count);
                // A full disk costs lines of the log, not the container.
                let _ = self.log.write(stream, &buffer);
                self.tell(&Frame::Output(stream, buffer));
            }
        }
    }

    fn tell(&mut self, frame: &Frame) {
        if let Some(client) = &mut self.client
            && client.write_all(&frame.encode()).is_err()
        {
            self.client_left();
        }
    }

    /// Nobody will give input any more: the program shall not wait for it.
    fn client_left(&mut self) {
        self.client = None;
        self.input_ends |= self.attached;
        self.close_input();
    }

    fn hear(&mut self, pidfd: &OwnedFd) {
        let mut buffer = [0; 16 << 10];
        match self.client.as_mut().map(|client| client.read(&mut buffer)) {
            Some(Ok(count)) if count > 0 => self.from_client.extend_from_slice(&buffer[..count]),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => return,
            _ => return self.client_left(),
        }
        loop {
            match Frame::decode(&mut self.from_client) {
                Ok(Some(frame)) => self.obey(frame, pidfd),
                Ok(None) => return,
                Err(_) => return self.client_left(),
            }
        }
    }

    fn obey(&mut self, frame: Frame, pidfd: &OwnedFd) {
        match frame {
            Frame::Input(bytes) => {
                self.pending.extend_from_slice(&bytes);
                self.feed();
            }
            Frame::InputEnd => {
                self.input_ends = true;
                self.close_input();
            }
            Frame::Resize { rows, columns } => {
                if let Some(terminal) = &self.ends.output {
                    let _ = sys::set_window_size(terminal, rows, columns);
                }
            }
            Frame::Signal(number) => {
                if let Ok(signal) = Signal::try_from(number) {
                    let _ = pidfd::send_signal(pidfd, signal);
                }
            }
            Frame::Started | Frame::Failed(_) | Frame::Output(..) | Frame::Exited(_) => {}
        }
    }

    /// Gives the program what it takes of the pending input.
    fn feed(&mut self) {
        while let Some(input) = &mut self.ends.input
            && !self.pending.is_empty()
        {
            match input.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The program has closed its input.
                Err(_) => {
                    self.ends.input = None;
                    self.pending.clear();
                }
            }
        }
        self.close_input();
    }

    fn close_input(&mut self) {
        if self.input_ends && self.pending.is_empty() && !self.ends.is_terminal {
            self.ends.input = None;
        }
    }
}
