//! Clients: whoever is attached, each with what it has not taken yet.
//!
//! No client may hold up the others, or the monitor: sockets do not block, and what one does not
//! take waits in its outbox. While an outbox is full no more is read from the program, which then
//! waits as it would on a pipe.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use serde::{Deserialize, Serialize};

use crate::container::{Frame, logs::Stream};

/// How much may wait for one client.
const OUTBOX: usize = 1 << 20;

/// One client.
#[derive(Debug)]
pub struct Client {
    socket: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    manners: Manners,
}

/// How a client is dealt with.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Manners {
    /// It wants the output.
    hears: bool,
    /// It gives input, or did.
    speaks: bool,
    /// The last thing is said: it goes as soon as it has taken that.
    leaves: bool,
}

impl Client {
    /// A client that has just come: it hears what the program writes.
    pub fn new(socket: UnixStream) -> Self {
        let manners = Manners { hears: true, speaks: false, leaves: false };
        Self::from_parts(socket, Vec::new(), manners)
    }

    /// One that gives the program's input as well.
    pub fn speaking(mut self) -> Self {
        self.manners.speaks = true;
        self
    }

    /// One that wants to know of the start alone.
    pub fn quiet(mut self) -> Self {
        self.manners.hears = false;
        self
    }

    /// One that was handed over, with what it has not taken yet.
    pub(super) fn from_parts(socket: UnixStream, outbox: Vec<u8>, manners: Manners) -> Self {
        let _ = socket.set_nonblocking(true);
        Self { socket, inbox: Vec::new(), outbox, manners }
    }

    /// To be handed over.
    pub(super) fn into_parts(self) -> (UnixStream, Vec<u8>, Manners) {
        (self.socket, self.outbox, self.manners)
    }

    /// Its socket, to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether something waits to be taken.
    pub(super) fn has_rest(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether too much waits for the program to go on. It does not wait for who leaves.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= OUTBOX && !self.manners.leaves
    }

    /// Whether it gives input, or did.
    pub(super) fn speaks(&self) -> bool {
        self.manners.speaks
    }

    /// Whether it is only there for what it has not taken yet.
    pub(super) fn leaves(&self) -> bool {
        self.manners.leaves
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

    /// Says the last thing, and what the client says is not heard any more. Whether something waits to
    /// be taken, for which it stays.
    pub(super) fn dismiss(&mut self, frame: &[u8]) -> bool {
        if !self.manners.leaves {
            self.outbox.extend_from_slice(frame);
        }
        self.manners = Manners { hears: false, speaks: false, leaves: true };
        self.flush() && self.has_rest()
    }

    /// What the program wrote, for those who want it.
    pub(super) fn output(&mut self, frame: &[u8]) -> bool {
        !self.manners.hears || self.tell(frame)
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
                Frame::Quiet => self.manners.hears = false,
                Frame::Input(_) | Frame::InputEnd => self.manners.speaks = true,
                _ => {}
            }
            frames.push(frame);
        }
        Some(frames)
    }
}

/// Tells clients a last thing, and lets them go. What they have not taken yet they get first: a slow
/// reader of a lot of output gets all of it, and keeps no other from going.
pub fn see_off(mut clients: Vec<Client>, frame: &Frame) {
    let frame = frame.encode();
    clients.retain_mut(|client| client.dismiss(&frame));
    while !clients.is_empty() {
        let mut fds: Vec<_> =
            clients.iter().map(|client| PollFd::new(client.fd(), PollFlags::POLLOUT)).collect();
        let polled = poll(&mut fds, PollTimeout::NONE);
        drop(fds);
        if polled.is_err_and(|errno| errno != Errno::EINTR) {
            return;
        }
        clients.retain_mut(|client| client.flush() && client.has_rest());
    }
}

/// Output as it goes over the wire.
pub(super) fn output(stream: Stream, bytes: &[u8]) -> Vec<u8> {
    Frame::Output(stream, bytes.to_vec()).encode()
}
