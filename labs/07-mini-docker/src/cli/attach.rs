//! Attach: a terminal or pipe of ours, and the program in the container at its other end.

use std::{
    io::{self, IsTerminal, Read},
    os::fd::{AsFd, AsRawFd},
};

use ground::{Error, Result};
use mini_docker::{
    container::{Frame, logs::Stream},
    engine::Session,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        socket::{MsgFlags, send},
        termios::cfmakeraw,
    },
};

use super::{
    detach_keys::DetachKeys,
    terminal::{self, Changed},
};

/// What a session shows and takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whether our input is the program's.
    pub input: bool,
    /// Which of its streams are shown. Who sees none stays until the input has ended.
    pub shows: Shows,
    /// Whether the program has a terminal.
    pub tty: bool,
    /// Whether our signals are the program's. A terminal makes its own of keys.
    pub signals: bool,
    /// What lets go of it.
    pub keys: DetachKeys,
}

/// Which streams of a program are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shows {
    /// Standard output; of a terminal it is all.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

impl Shows {
    /// Both.
    pub const ALL: Self = Self { stdout: true, stderr: true };
    /// None.
    pub const NOTHING: Self = Self { stdout: false, stderr: false };

    fn has(self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The program has ended, with this status.
    Exited(u8),
    /// Somebody typed the detach keys.
    Detached,
    /// Nothing was to be seen, and the input has ended.
    Told,
    /// This signal was for us.
    Signalled(i32),
}

impl Ended {
    /// The exit status of a command that has started the program.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Detached | Self::Told => 0,
            Self::Signalled(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }

    /// The same for one that came to a program that ran already.
    ///
    /// # Errors
    /// Docker's words for the detach keys.
    pub fn of_visitor(self) -> Result<u8> {
        match self {
            Self::Detached => Err(Error::new("read escape sequence")
                .why("the detach keys were typed; the program goes on")
                .exit_code(1)),
            ended => Ok(ended.code()),
        }
    }
}

/// Signals that are meant for the program. SIGWINCH is ours: it becomes a new size.
const PASSED_ON: [Signal; 7] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// Takes the signals that are meant for the program out of their usual course.
///
/// # Errors
/// As signalfd(2).
pub fn signals() -> Result<SignalFd> {
    let mut set = SigSet::empty();
    PASSED_ON.into_iter().chain([Signal::SIGWINCH]).for_each(|signal| set.add(signal));
    set.thread_block()
        .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK))
        .map_err(|errno| {
            Error::new("cannot take signals").call("signalfd", errno).see("2 signalfd")
        })
}

/// Refuses a terminal whose keys come from none: the program would wait for them for ever. Before
/// anything is started.
///
/// # Errors
/// In docker's words.
pub fn check_terminal(wanted: &Wanted) -> Result<()> {
    if !wanted.tty || !wanted.input || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Error::new("the input device is not a TTY")
        .why("with -i and -t the keys of this terminal are the program's, and standard input is none")
        .fix("leave -t out where the input is a pipe or a file, and -i where there is none")
        .exit_code(1))
}

/// Runs a session until the program has ended or is let go of.
///
/// # Errors
/// When the monitor goes away without a word.
pub fn attach(session: Session, wanted: Wanted, signals: &SignalFd) -> Result<Ended> {
    let raw = raw(&wanted)?;
    let reads_input = wanted.input;
    let (outbox, shown) = (Outbox::default(), Shown::default());
    let mut attached = Attached { session, wanted, reads_input, outbox, shown, raw, ended: None };
    if attached.wanted.tty {
        // Another size than before makes a program draw its screen anew.
        attached.send_size(1);
        attached.send_size(0);
    }
    attached.run(signals)
}

/// Both directions wait for nobody: a program may write before it reads on, and read on only when
/// what it wrote was taken. So nothing here blocks but poll(2).
struct Attached {
    session: Session,
    wanted: Wanted,
    reads_input: bool,
    outbox: Outbox,
    shown: Shown,
    raw: Option<Changed>,
    ended: Option<Ended>,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    Heard,
    Signal,
    Input,
    Told,
    Shown,
}

impl Attached {
    fn run(mut self, signals: &SignalFd) -> Result<Ended> {
        loop {
            // First what came together with an earlier frame.
            while self.shown.is_empty()
                && let Some(frame) = self.decode()?
            {
                let code = match frame {
                    Frame::Exited(code) => {
                        drop(self.raw.take());
                        self.session.finish();
                        code
                    }
                    Frame::Restarts(code) => code,
                    Frame::Output(stream, _) if !self.wanted.shows.has(stream) => continue,
                    Frame::Output(stream, bytes) => {
                        self.shown = Shown { stream, bytes, written: 0 };
                        continue;
                    }
                    _ => continue,
                };
                let code = u8::try_from(code).unwrap_or(mini_docker::container::NOBODY_SAW as u8);
                return Ok(Ended::Exited(code));
            }
            let is_mute = self.wanted.shows == Shows::NOTHING;
            if is_mute && !self.reads_input && self.outbox.is_empty() {
                return Ok(Ended::Told);
            }
            self.step(signals)?;
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
        }
    }

    fn decode(&mut self) -> Result<Option<Frame>> {
        Frame::decode(&mut self.session.buffer).map_err(|error| {
            Error::new("cannot hear from the container's monitor").io("read", &error)
        })
    }

    /// Waits for anything to happen, and does one thing of each kind.
    fn step(&mut self, signals: &SignalFd) -> Result<()> {
        for ready in self.wait(signals)? {
            match ready {
                Ready::Heard => self.hear()?,
                Ready::Signal => self.pass_on(signals),
                Ready::Input => self.input(),
                Ready::Told => self.outbox.flush(&self.session),
                Ready::Shown => self.shown.write()?,
            }
        }
        Ok(())
    }

    fn wait(&self, signals: &SignalFd) -> Result<Vec<Ready>> {
        let (read, write) = (PollFlags::POLLIN, PollFlags::POLLOUT);
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let mut awaited = vec![(Ready::Signal, signals.as_fd(), read)];
        if self.shown.is_empty() {
            awaited.push((Ready::Heard, self.session.socket.as_fd(), read));
        } else {
            let to = match self.shown.stream {
                Stream::Stdout => stdout.as_fd(),
                Stream::Stderr => stderr.as_fd(),
            };
            awaited.push((Ready::Shown, to, write));
        }
        if !self.outbox.is_empty() {
            awaited.push((Ready::Told, self.session.socket.as_fd(), write));
        }
        if self.reads_input && !self.outbox.is_full() {
            awaited.push((Ready::Input, stdin.as_fd(), read));
        }
        let mut fds: Vec<_> =
            awaited.iter().map(|(_, fd, flags)| PollFd::new(*fd, *flags)).collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(errno) => return Err(Error::new("cannot wait").call("poll", errno)),
            Ok(_) => {}
        }
        let ready = fds.iter().zip(&awaited).filter(|(fd, _)| fd.any().unwrap_or(true));
        Ok(ready.map(|(_, (ready, ..))| *ready).collect())
    }

    fn hear(&mut self) -> Result<()> {
        let mut bytes = [0; 64 << 10];
        match self.session.socket.read(&mut bytes) {
            Ok(count) if count > 0 => {
                self.session.buffer.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            _ => Err(Error::new("the container's monitor went away without a word")
                .why("somebody killed it")
                .fix("mini-docker ps -a shows what is left")),
        }
    }

    fn pass_on(&mut self, signals: &SignalFd) {
        while let Ok(Some(signal)) = signals.read_signal() {
            match i32::try_from(signal.ssi_signo) {
                Ok(number) if number == Signal::SIGWINCH as i32 => self.send_size(0),
                Ok(number) if self.wanted.signals => {
                    let signal = Frame::Signal(number);
                    // Not behind input that the program does not take.
                    if !self.session.tell_aside(&signal) {
                        self.send(&signal);
                    }
                }
                Ok(number) => self.ended = Some(Ended::Signalled(number)),
                Err(_) => {}
            }
        }
    }

    fn input(&mut self) {
        let mut bytes = [0; 16 << 10];
        match nix::unistd::read(io::stdin().as_fd(), &mut bytes) {
            Ok(count) if count > 0 => self.typed(&bytes[..count]),
            Err(Errno::EINTR) => {}
            _ => {
                self.reads_input = false;
                self.send(&Frame::InputEnd);
            }
        }
    }

    fn typed(&mut self, bytes: &[u8]) {
        if !self.wanted.tty {
            return self.send(&Frame::Input(bytes.to_vec()));
        }
        let typed = self.wanted.keys.pass(bytes);
        self.send(&Frame::Input(typed.bytes));
        if typed.detached {
            self.ended = Some(Ended::Detached);
        }
    }

    fn send(&mut self, frame: &Frame) {
        self.outbox.0.extend(frame.encode());
        self.outbox.flush(&self.session);
    }

    fn send_size(&mut self, more: u16) {
        if let Some(size) = terminal::size() {
            let (rows, columns) =
                (size.height.saturating_add(more), size.width.saturating_add(more));
            self.send(&Frame::Resize { rows, columns });
        }
    }
}

/// What the monitor has not taken yet.
#[derive(Debug, Default)]
struct Outbox(Vec<u8>);

impl Outbox {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no more input is to be read.
    fn is_full(&self) -> bool {
        self.0.len() >= 64 << 10
    }

    /// Gives what is taken. A monitor that is gone is noticed where it is heard.
    fn flush(&mut self, session: &Session) {
        while !self.0.is_empty() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(session.socket.as_raw_fd(), &self.0, flags) {
                Ok(count) => drop(self.0.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => self.0.clear(),
            }
        }
    }
}

/// What the program wrote and is being shown.
#[derive(Debug)]
struct Shown {
    stream: Stream,
    bytes: Vec<u8>,
    written: usize,
}

impl Default for Shown {
    fn default() -> Self {
        Self { stream: Stream::Stdout, bytes: Vec::new(), written: 0 }
    }
}

impl Shown {
    fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Writes a piece to a stream that poll(2) has found ready: so much a pipe takes then without
    /// waiting (man 7 pipe). The stream is not ours alone, so it stays one that blocks.
    fn write(&mut self) -> Result<()> {
        let rest = &self.bytes[self.written..];
        let piece = &rest[..rest.len().min(libc::PIPE_BUF)];
        let written = match self.stream {
            Stream::Stdout => nix::unistd::write(io::stdout(), piece),
            Stream::Stderr => nix::unistd::write(io::stderr(), piece),
        };
        match written {
            Ok(count) => self.written += count,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // `| head` has seen enough; the program goes on, and we wait for its end.
            Err(Errno::EPIPE) => self.written = self.bytes.len(),
            Err(errno) => return Err(Error::new("cannot print").call("write", errno)),
        }
        Ok(())
    }
}

/// A terminal without a line discipline of its own: every key goes to the program at once, and
/// *its* terminal makes signals of ctrl-c and the like.
fn raw(wanted: &Wanted) -> Result<Option<Changed>> {
    let is_wanted = wanted.tty && wanted.input && io::stdin().is_terminal();
    is_wanted.then(|| Changed::by(cfmakeraw)).transpose()
}
