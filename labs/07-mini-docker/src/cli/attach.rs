//! Attach: a terminal or pipe of ours, and the program in the container at its other end.

use std::{
    io::{self, IsTerminal, Read, Write},
    os::fd::AsFd,
};

use super::{detach_keys::DetachKeys, terminal::Changed};
use ground::{Error, Result};
use mini_docker::{
    container::{Frame, logs::Stream},
    engine::Session,
    sys,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        termios::cfmakeraw,
    },
};

/// What a session shows and takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whether our input is the program's.
    pub input: bool,
    /// Whether the program has a terminal.
    pub tty: bool,
    /// Whether our signals are the program's. A terminal makes its own of keys.
    pub signals: bool,
    /// What lets go of it.
    pub keys: DetachKeys,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The program has ended, with this status.
    Exited(u8),
    /// Somebody typed the detach keys.
    Detached,
    /// This signal was for us.
    Signalled(i32),
}

impl Ended {
    /// The exit status of a command that has started the program.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Detached => 0,
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

/// Runs a session until the program has ended or is let go of.
///
/// # Errors
/// When the monitor goes away without a word.
pub fn attach(mut session: Session, wanted: Wanted, signals: &SignalFd) -> Result<Ended> {
    let raw = raw(&wanted)?;
    if wanted.tty {
        // Another size than before makes a program draw its screen anew.
        send_size(&mut session, 1);
        send_size(&mut session, 0);
    }
    let reads_input = wanted.input;
    Attached { session, wanted, reads_input, raw, ended: None }.run(signals)
}

struct Attached {
    session: Session,
    wanted: Wanted,
    reads_input: bool,
    raw: Option<Changed>,
    ended: Option<Ended>,
}

impl Attached {
    fn run(mut self, signals: &SignalFd) -> Result<Ended> {
        loop {
            // First what came together with an earlier frame.
            while let Some(frame) = self.decode()? {
                let code = match frame {
                    Frame::Exited(code) => {
                        drop(self.raw.take());
                        self.session.finish();
                        code
                    }
                    Frame::Restarts(code) => code,
                    frame => {
                        show(frame)?;
                        continue;
                    }
                };
                let code = u8::try_from(code).unwrap_or(mini_docker::container::NOBODY_SAW as u8);
                return Ok(Ended::Exited(code));
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
        let stdin = io::stdin();
        let mut fds = vec![
            PollFd::new(self.session.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        if self.reads_input {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(Error::new("cannot wait").call("poll", errno)),
            Ok(_) => {}
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        drop(fds);
        if ready[0] {
            self.hear()?;
        }
        if ready[1] {
            self.pass_on(signals);
        }
        if ready.get(2) == Some(&true) {
            self.input();
        }
        Ok(())
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
                Ok(number) if number == Signal::SIGWINCH as i32 => send_size(&mut self.session, 0),
                Ok(number) if self.wanted.signals => {
                    send(&mut self.session, &Frame::Signal(number));
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
                send(&mut self.session, &Frame::InputEnd);
            }
        }
    }

    fn typed(&mut self, bytes: &[u8]) {
        if !self.wanted.tty {
            return send(&mut self.session, &Frame::Input(bytes.to_vec()));
        }
        let typed = self.wanted.keys.pass(bytes);
        send(&mut self.session, &Frame::Input(typed.bytes));
        if typed.detached {
            self.ended = Some(Ended::Detached);
        }
    }
}

/// A monitor that is gone is noticed where it is heard.
fn send(session: &mut Session, frame: &Frame) {
    let _ = session.socket.write_all(&frame.encode());
}

fn send_size(session: &mut Session, more: u16) {
    if let Ok((rows, columns)) = sys::window_size(io::stdout()) {
        let (rows, columns) = (rows.saturating_add(more), columns.saturating_add(more));
        send(session, &Frame::Resize { rows, columns });
    }
}

/// Shows what the program wrote.
fn show(frame: Frame) -> Result<()> {
    let written = match frame {
        Frame::Output(Stream::Stdout, bytes) => write(&mut io::stdout().lock(), &bytes),
        Frame::Output(Stream::Stderr, bytes) => write(&mut io::stderr().lock(), &bytes),
        _ => Ok(()),
    };
    match written {
        // `| head` has seen enough; the program goes on, and we wait for its end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::new("cannot print").io("write", &error)),
        Ok(()) => Ok(()),
    }
}

fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// A terminal without a line discipline of its own: every key goes to the program at once, and
/// *its* terminal makes signals of ctrl-c and the like.
fn raw(wanted: &Wanted) -> Result<Option<Changed>> {
    let is_wanted = wanted.tty && wanted.input && io::stdin().is_terminal();
    is_wanted.then(|| Changed::by(cfmakeraw)).transpose()
}
