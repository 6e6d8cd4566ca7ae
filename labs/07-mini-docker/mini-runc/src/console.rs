//! Console: our side of a container's terminal.
//!
//! An engine gives a socket and gets the master (runc's docs/terminals.md). In the foreground `run`
//! and `exec` are the engine themselves: they put the terminal they were started in into raw mode,
//! so that Ctrl-C is a byte for the container and no signal for us, and copy bytes both ways.

use std::{
    io::IoSliceMut,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use ground::{Errno, Error, Result};
use namespaces::{Child, Exit};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        socket::{
            AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair,
        },
        termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr},
    },
    unistd,
};

use crate::{signals::Signals, sys};

/// Connects to the socket of `--console-socket`.
///
/// # Errors
/// Nobody listens there.
pub(crate) fn connect(path: &Path) -> Result<OwnedFd> {
    UnixStream::connect(path).map(OwnedFd::from).map_err(|error| {
        Error::new("cannot connect to the console socket")
            .io(format_args!("connect {}", path.display()), &error)
            .see("7 unix")
            .fix("whoever wants the terminal listens there before the container is created")
    })
}

/// Sends whoever listens at this path a descriptor of the process: unlike its number it can never
/// come to mean another.
///
/// # Errors
/// Nobody listens there.
pub(crate) fn send_pidfd(path: &Path, child: &Child) -> Result<()> {
    let cannot = || Error::new("cannot send a descriptor of the process").see("2 pidfd_open");
    let socket = UnixStream::connect(path).map_err(|error| {
        cannot()
            .io(format_args!("--pidfd-socket: connect {}", path.display()), &error)
            .fix("whoever wants it listens there before the process is made")
    })?;
    sys::send_descriptor(socket.as_fd(), child.pidfd())
        .map_err(|errno| cannot().call("sendmsg(socket, SCM_RIGHTS [pidfd])", errno))
}

/// A socket for the child, and the one at which we get the master.
///
/// # Errors
/// EMFILE.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::Stream, None, flags).map_err(|errno| {
        Error::new("cannot get at the terminal").call("socketpair(AF_UNIX, SOCK_STREAM)", errno)
    })
}

/// A terminal that is ours to serve.
#[derive(Debug)]
pub(crate) struct Session {
    master: OwnedFd,
    /// What our own terminal was like; `None` when standard input is none.
    before: Option<Termios>,
}

impl Session {
    /// Gets the master.
    ///
    /// # Errors
    /// The child ended without having sent it.
    pub(crate) fn accept(socket: OwnedFd) -> Result<Self> {
        let master = receive(&socket)?;
        let stdin = sys::stream(0);
        let before = tcgetattr(stdin).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            cfmakeraw(&mut raw);
            let _ = tcsetattr(stdin, SetArg::TCSANOW, &raw);
        }
        let session = Self { master, before };
        session.resize();
        Ok(session)
    }

    /// The container's terminal becomes as large as ours.
    fn resize(&self) {
        if let Ok((rows, columns)) = sys::terminal_size(sys::stream(0)) {
            let _ = sys::set_terminal_size(self.master.as_fd(), rows, columns);
        }
    }

    /// Copies both ways until the child has ended and all it wrote is shown.
    ///
    /// # Errors
    /// As poll(2) and waitid(2).
    pub(crate) fn until_end(&self, signals: &Signals, child: &mut Child) -> Result<Exit> {
        let mut stdin_open = true;
        loop {
            let interest =
                |wanted: bool| if wanted { PollFlags::POLLIN } else { PollFlags::empty() };
            let mut ready = [
                PollFd::new(self.master.as_fd(), PollFlags::POLLIN),
                PollFd::new(sys::stream(0), interest(stdin_open)),
                PollFd::new(signals.fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(Error::new("cannot serve the terminal").call("poll(..)", errno));
                }
            }
            let [output, input, signal] = ready.map(|it| it.any() == Some(true));
            if output && !copy(self.master.as_fd(), sys::stream(1)) {
                // EIO: the last one who had the terminal open is gone.
                return signals.forward_until_end(child);
            }
            if stdin_open && input && !copy(sys::stream(0), self.master.as_fd()) {
                stdin_open = false;
            }
            if signal && signals.forward_one(child, || self.resize())? {
                self.drain();
                return child.wait();
            }
        }
    }

    /// What was written before the end.
    fn drain(&self) {
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        while poll(&mut ready, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
            && copy(self.master.as_fd(), sys::stream(1))
        {}
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(sys::stream(0), SetArg::TCSANOW, before);
        }
    }
}

/// Copies what is there; false at the end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 4096];
    let read = match unistd::read(from, &mut buffer) {
        Ok(0) => return false,
        Ok(read) => read,
        Err(errno) => return matches!(errno, Errno::EINTR | Errno::EAGAIN),
    };
    let mut rest = &buffer[..read];
    while !rest.is_empty() {
        match unistd::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// Receives a descriptor (man 7 unix, SCM_RIGHTS).
fn receive(socket: &OwnedFd) -> Result<OwnedFd> {
    let cannot = || Error::new("cannot get the container's terminal").see("7 unix");
    let mut byte = [0; 16];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut room = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)
            .map_err(|errno| cannot().call("recvmsg(..)", errno))?;
    let mut control = message.cmsgs().map_err(|errno| cannot().call("recvmsg(..)", errno))?;
    match control.next() {
        Some(ControlMessageOwned::ScmRights(sent)) if sent.len() == 1 => Ok(sys::own(sent[0])),
        _ => Err(cannot().why("the other side sent no descriptor")),
    }
}
