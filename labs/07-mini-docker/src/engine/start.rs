//! start: a monitor is executed, and everything else is its business.

use std::{
    io::Read,
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::CommandExt},
    process::{Child, Command, Stdio},
};

use ground::Error as Report;

use super::{Engine, Error, Result, is_watched};
use crate::{
    container::{Frame, Record},
    runtime::OURSELVES,
};

/// The verb of our command line that is the monitor.
pub const MONITOR: &str = "monitor";

/// A container that was started, and the way to talk to it.
#[derive(Debug)]
pub struct Session {
    /// The monitor's socket; after `Started`, frames go both ways.
    pub socket: UnixStream,
    /// What was read and belongs to the next frame.
    pub buffer: Vec<u8>,
    monitor: Child,
}

impl Engine {
    /// Starts a container and waits until its program runs. With `attached` the session then
    /// carries its output, and input for it; dropping the session ends only the input.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it runs already; else what kept its program from running,
    /// with the exit code 126 or 127 where the program was to blame.
    pub fn start(&self, record: &Record, attached: bool) -> Result<Session> {
        if is_watched(record) {
            return Err(Error::conflict(Report::new(format!(
                "container {} is already running",
                record.name
            ))));
        }
        self.bury(record)?;
        let cannot = |error: std::io::Error| {
            Report::new("cannot start the monitor of the container").io(OURSELVES, &error)
        };
        let (socket, theirs) = UnixStream::pair().map_err(cannot)?;
        let mut command = Command::new(OURSELVES);
        command.arg0("mini-docker").arg("--root").arg(self.layout.root()).arg(MONITOR);
        command.arg(&record.id).args(attached.then_some("--attached"));
        // Nothing of the caller's stays with a process that outlives it.
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir("/").env_clear();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let monitor = command.env("PATH", path).spawn().map_err(cannot)?;
        // Our copy of the other end went with the command, so a dead monitor is heard.
        drop(command);
        let mut session = Session { socket, buffer: Vec::new(), monitor };
        session.await_start(record)?;
        Ok(session)
    }
}

impl Session {
    fn await_start(&mut self, record: &Record) -> Result<()> {
        match self.next_frame()? {
            Some(Frame::Started) => Ok(()),
            Some(Frame::Failed(error)) => {
                let _ = self.monitor.wait();
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

    /// Waits for the monitor itself: after this nothing of the run is left.
    pub fn finish(mut self) {
        let _ = self.monitor.wait();
    }
}
