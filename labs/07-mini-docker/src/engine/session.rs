//! Session: a conversation with a monitor.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Child,
};

use ground::Error as Report;

use super::Result;
use crate::container::{Frame, Record, socket};

/// The way to talk to a container that runs.
#[derive(Debug)]
pub struct Session {
    /// The monitor's socket: frames go both ways.
    pub socket: UnixStream,
    /// What was read and belongs to the next frame.
    pub buffer: Vec<u8>,
    // The monitor, if this command has started it.
    monitor: Option<Child>,
    // Where the monitor of a container listens.
    listens: Option<PathBuf>,
}

impl Session {
    /// With a monitor that this command has started.
    pub(super) fn of_child(socket: UnixStream, monitor: Child) -> Self {
        Self { socket, buffer: Vec::new(), monitor: Some(monitor), listens: None }
    }

    /// With one that was there already.
    pub(super) fn of_stranger(socket: UnixStream) -> Self {
        Self { socket, buffer: Vec::new(), monitor: None, listens: None }
    }

    /// The same, with a monitor that listens in this directory.
    pub(super) fn listening(self, dir: PathBuf) -> Self {
        Self { listens: Some(dir), ..self }
    }

    /// Says a thing beside the conversation, in which it would wait behind input that the program
    /// does not take. Whether somebody was there to hear it.
    pub fn tell_aside(&self, frame: &Frame) -> bool {
        let connected = self.listens.as_deref().and_then(|dir| socket::connect(dir).ok());
        connected.is_some_and(|mut aside| aside.write_all(&frame.encode()).is_ok())
    }

    pub(super) fn await_start(&mut self, record: &Record) -> Result<()> {
        match self.next_frame()? {
            Some(Frame::Started) => Ok(()),
            Some(Frame::Failed(error)) => {
                self.reap();
                Err(error.into())
            }
            _ => Err(Report::new(format!("cannot start container {}", record.name))
                .why("its monitor went away without a word")
                .fix("try again; if somebody killed it, look at who and why: dmesg")
                .into()),
        }
    }

    /// The next frame; `None` when the monitor is gone.
    ///
    /// # Errors
    /// Bytes that are no frame.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        let broken = |error: std::io::Error| {
            Report::new("cannot hear from the container's monitor").io("read", &error)
        };
        loop {
            if let Some(frame) = Frame::decode(&mut self.buffer).map_err(broken)? {
                return Ok(Some(frame));
            }
            let mut bytes = [0; 16 << 10];
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A monitor that was killed resets the connection.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(None);
                }
                Err(error) => return Err(broken(error).into()),
            }
        }
    }

    /// Waits until nothing of the run is left but its monitor's process. That has closed its sockets
    /// and has nothing to do any more; the kernel may keep it for the networks that it left.
    pub fn finish(mut self) {
        while let Ok(Some(_)) = self.next_frame() {}
    }

    fn reap(&mut self) {
        let _ = self.monitor.as_mut().map(Child::wait);
    }
}
