//! Clients: whoever is attached, each with what it has not taken yet.
//!
//! No client may hold up the others, or the monitor: sockets do not block, and what one does not
//! take waits in its outbox. While an outbox is full no more is read from the program, which then
//! waits as it would on a pipe.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::{
        fd::{AsFd, BorrowedFd, IntoRawFd},
        unix::net::UnixStream,
    },
};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::handover::{Held, take};
use crate::container::{Frame, logs::Stream};

/// How much may wait for one client.
const OUTBOX: usize = 1 << 20;

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    socket: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    hears: bool,
    speaks: bool,
}

impl Client {
    /// A client that has just come.
    pub(super) fn new(socket: UnixStream) -> Self {
        let _ = socket.set_nonblocking(true);
        Self { socket, inbox: Vec::new(), outbox: Vec::new(), hears: true, speaks: false }
    }

    /// One that was handed over.
    pub(super) fn taken(held: Held) -> Self {
        let client = Self::new(UnixStream::from(take(held.fd)));
        let rest = held.rest.map(|fd| File::from(take(fd)));
        let mut outbox = Vec::new();
        if let Some(mut rest) = rest {
            let _ = rest.rewind().and_then(|()| rest.read_to_end(&mut outbox));
        }
        Self { outbox, hears: held.hears, speaks: held.speaks, ..client }
    }

    /// Hands it over to the next program.
    pub(super) fn give(self) -> Held {
        let rest = (!self.outbox.is_empty()).then(|| rest(&self.outbox)).flatten();
        let Self { socket, hears, speaks, .. } = self;
        Held { fd: socket.into_raw_fd(), hears, speaks, rest }
    }

    /// Its socket, to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether something waits to be taken.
    pub(super) fn has_rest(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether too much waits.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= OUTBOX
    }

    /// Whether it gives input, or did.
    pub(super) fn speaks(&self) -> bool {
        self.speaks
    }

    /// Says a thing, as far as it is taken. Whether the client is still there.
    pub(super) fn tell(&mut self, frame: &[u8]) -> bool {
        self.outbox.extend_from_slice(frame);
        self.flush()
    }

    /// Gives what is taken of the outbox. Whether the client is still there.
    pub(super) fn flush(&mut self) -> bool {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(count) if count == self.outbox.len() => self.outbox = Vec::new(),
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// The same, for as long as it takes. Whether the client is still there.
    pub(super) fn flush_all(&mut self) -> bool {
        self.socket.set_nonblocking(false).is_ok() && self.flush() && self.outbox.is_empty()
    }

    /// What the program wrote, for those who want it.
    pub(super) fn output(&mut self, frame: &[u8]) -> bool {
        !self.hears || self.tell(frame)
    }

    /// What the client says; `None` when it has left.
    pub(super) fn hear(&mut self) -> Option<Vec<Frame>> {
        let mut buffer = [0; 16 << 10];
        match self.socket.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
            Err(error) => {
                use io::ErrorKind::{Interrupted, WouldBlock};
                let later = matches!(error.kind(), Interrupted | WouldBlock);
                return later.then(Vec::new);
            }
        }
        let mut frames = Vec::new();
        while let Some(frame) = Frame::decode(&mut self.inbox).ok()? {
            match frame {
                Frame::Quiet => self.hears = false,
                Frame::Input(_) | Frame::InputEnd => self.speaks = true,
                _ => {}
            }
            frames.push(frame);
        }
        Some(frames)
    }
}

/// Tells clients a last thing, and lets them go. What they have not taken yet they get first: a slow
/// reader of a lot of output gets all of it.
pub fn see_off(clients: Vec<Held>, frame: &Frame) {
    let frame = frame.encode();
    for held in clients {
        let mut client = Client::taken(held);
        let _ = client.flush_all() && client.tell(&frame) && client.flush_all();
    }
}

/// Output as it goes over the wire.
pub(super) fn output(stream: Stream, bytes: &[u8]) -> Vec<u8> {
    Frame::Output(stream, bytes.to_vec()).encode()
}

/// Bytes in a file without a name, for the next program.
fn rest(bytes: &[u8]) -> Option<std::os::fd::RawFd> {
    let mut file = File::from(memfd_create(c"rest", MFdFlags::MFD_CLOEXEC).ok()?);
    file.write_all(bytes).ok()?;
    Some(file.into_raw_fd())
}
