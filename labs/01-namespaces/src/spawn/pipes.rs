//! The two pipes between a parent and its child, and what is said in them: `go` one way, records of
//! eight bytes the other.
//!
//! Nothing here allocates but the words of an error, which only the parent writes.

use std::{
    fs,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
};

use ground::{Errno, Error, Result};
use nix::{
    errno::Errno as E,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd,
};

use crate::sys;

/// The exit status of a child that never became its program.
pub(super) const SETUP_FAILED: i32 = 127;

/// In the place of a step's number: the rest of the record is the PID of the sibling that goes on.
pub(super) const FORKED: u32 = u32::MAX;

/// In the place of a step's number: the fork half-way failed.
pub(super) const FORK_FAILED: u32 = u32::MAX - 1;

/// In the place of a step's number: the child could not hear that it may go.
pub(super) const NO_GO: u32 = u32::MAX - 2;

/// In the place of a step's number: the child waits at `Spawn::halt_before`.
pub(super) const HALTED: u32 = u32::MAX - 3;

/// Lets the child go on. One that is already dead says so on the other pipe.
pub(super) fn say_go(go: &OwnedFd) -> Result<()> {
    match uninterrupted(|| unistd::write(go, b"g")) {
        Ok(_) | Err(E::EPIPE) => Ok(()),
        Err(errno) => {
            Err(Error::new("cannot talk to the child").call("write(go, \"g\", 1)", errno))
        }
    }
}

/// Returns when the parent says so; without a parent the child ends.
pub(super) fn wait_for_go(go: &OwnedFd, report: &OwnedFd) {
    match uninterrupted(|| unistd::read(go, &mut [0])) {
        Ok(1) => {}
        Ok(_) => sys::exit_now(SETUP_FAILED),
        Err(errno) => {
            tell(report, NO_GO, errno as i32);
            sys::exit_now(SETUP_FAILED);
        }
    }
}

/// Whether nobody can read from the pipe any more: poll(2) says POLLERR at its other end. A parent
/// that died before it was tied to is never reported otherwise.
pub(super) fn parent_is_gone(report: &OwnedFd) -> bool {
    let mut ends = [PollFd::new(report.as_fd(), PollFlags::empty())];
    let asked = poll(&mut ends, PollTimeout::ZERO);
    asked.is_ok() && ends.iter().any(|end| end.revents() == Some(PollFlags::POLLERR))
}

/// One record of the report pipe: which step, and its errno or 0 for "ready". False when nobody can
/// have heard it.
pub(super) fn tell(report: &OwnedFd, step: u32, errno: i32) -> bool {
    let mut record = [0; 8];
    record[..4].copy_from_slice(&step.to_ne_bytes());
    record[4..].copy_from_slice(&errno.to_ne_bytes());
    // Eight bytes are below PIPE_BUF, so they arrive whole or not at all.
    uninterrupted(|| unistd::write(report, &record)).is_ok()
}

/// The same call again for as long as a signal interrupts it (man 7 signal).
fn uninterrupted<T>(
    mut call: impl FnMut() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    loop {
        match call() {
            Err(E::EINTR) => {}
            done => return done,
        }
    }
}

/// The record, or `None` for end of file: exec happened.
pub(super) fn read_report(report: &mut fs::File) -> Result<Option<(u32, i32)>> {
    let mut record = [0; 8];
    match report.read_exact(&mut record) {
        Ok(()) => {
            let [a, b, c, d, e, f, g, h] = record;
            Ok(Some((u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]))))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(Error::new("cannot hear from the child").io("read", &error)),
    }
}

/// A pipe that does not survive exec.
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

impl Pipe {
    pub(super) fn new() -> Result<Self> {
        let (read, write) = unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
            Error::new("cannot talk to the child")
                .call("pipe2(O_CLOEXEC)", errno)
                .see("2 pipe")
                .fix("close files, or raise the limit: ulimit -n")
        })?;
        Ok(Self { read, write })
    }
}
