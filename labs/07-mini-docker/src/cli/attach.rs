//! Attach: a terminal or pipe of ours, and the program in the container at its other end.

use std::{
    io::{self, IsTerminal, Read, Write},
    os::fd::AsFd,
};

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
        termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr},
    },
};

/// What a session shows and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Whether our input is the program's.
    pub input: bool,
    /// Whether the program has a terminal.
    pub tty: bool,
}

/// Signals that are meant for the program. SIGWINCH is ours: it becomes a new size.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
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

/// Runs a session until the program has ended, and returns its status.
///
/// # Errors
/// When the monitor goes away without a word.
pub fn attach(mut session: Session, wanted: Wanted, signals: &SignalFd) -> Result<u8> {
    let raw = Raw::enter(wanted)?;
    if wanted.tty {
        send_size(&mut session);
    }
    let code = Attached { session, reads_input: wanted.input, raw }.run(signals)?;
    u8::try_from(code).or(Ok(mini_docker::container::NOBODY_SAW as u8))
}

struct Attached {
    session: Session,
    reads_input: bool,
    raw: Option<Raw>,
}

impl Attached {
    fn run(mut self, signals: &SignalFd) -> Result<i32> {
        loop {
            // First what came together with an earlier frame.
            while let Some(frame) = self.decode()? {
                if let Some(code) = show(frame)? {
                    drop(self.raw.take());
                    self.session.finish();
                    return Ok(code);
                }
            }
            self.step(signals)?;
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
                Ok(number) if number == Signal::SIGWINCH as i32 => send_size(&mut self.session),
                Ok(number) => send(&mut self.session, &Frame::Signal(number)),
                Err(_) => {}
            }
        }
    }

    fn input(&mut self) {
        let mut bytes = [0; 16 << 10];
        match nix::unistd::read(io::stdin().as_fd(), &mut bytes) {
            Ok(count) if count > 0 => {
                send(&mut self.session, &Frame::Input(bytes[..count].to_vec()));
            }
            Err(Errno::EINTR) => {}
            _ => {
                self.reads_input = false;
                send(&mut self.session, &Frame::InputEnd);
            }
        }
    }
}

/// A monitor that is gone is noticed where it is heard.
fn send(session: &mut Session, frame: &Frame) {
    let _ = session.socket.write_all(&frame.encode());
}

fn send_size(session: &mut Session) {
    if let Ok((rows, columns)) = sys::window_size(io::stdout()) {
        send(session, &Frame::Resize { rows, columns });
    }
}

/// Shows what the program wrote; the status when it has ended.
fn show(frame: Frame) -> Result<Option<i32>> {
    let written = match frame {
        Frame::Exited(code) => return Ok(Some(code)),
        Frame::Output(Stream::Stdout, bytes) => write(&mut io::stdout().lock(), &bytes),
        Frame::Output(Stream::Stderr, bytes) => write(&mut io::stderr().lock(), &bytes),
        _ => Ok(()),
    };
    match written {
        // `| head` has seen enough; the program goes on, and we wait for its end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(Error::new("cannot print").io("write", &error)),
        Ok(()) => Ok(None),
    }
}

fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// A terminal without a line discipline of its own: every key goes to the program at once, and
/// *its* terminal makes signals of ctrl-c and the like. Given back on drop.
struct Raw(Termios);

impl Raw {
    fn enter(wanted: Wanted) -> Result<Option<Self>> {
        if !wanted.tty || !wanted.input || !io::stdin().is_terminal() {
            return Ok(None);
        }
        let failed =
            |errno| Error::new("cannot use the terminal").call("tcsetattr", errno).see("3 termios");
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).map_err(failed)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}
