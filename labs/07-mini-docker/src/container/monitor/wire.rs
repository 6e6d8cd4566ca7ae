//! Wire: what is open, as one program of the monitor tells the next.
//!
//! A descriptor stays open over execve(2) if it is not marked close-on-exec, under the same number; its
//! owner does not, for a new program knows of nothing. So a number is told, and becomes a descriptor
//! with an owner again as the first thing. Only this file makes one of the other.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    os::{
        fd::{IntoRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

use ground::Errno;
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use serde::{Deserialize, Serialize};

use super::{clients, handover};
use crate::sys;

/// A descriptor that nobody owns while one program becomes the next.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Left(RawFd);

impl Left {
    /// Lets it live on over execve(2).
    fn leave(fd: impl Into<OwnedFd>) -> Result<Self, Errno> {
        let fd = fd.into();
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(Self(fd.into_raw_fd()))
    }

    fn leave_some(fd: Option<impl Into<OwnedFd>>) -> Result<Option<Self>, Errno> {
        fd.map(Self::leave).transpose()
    }

    /// Takes it; `None` if it did not come over execve(2).
    fn take(self) -> Option<OwnedFd> {
        sys::inherited(self.0)
    }
}

fn take<T: From<OwnedFd>>(fd: Option<Left>) -> Option<T> {
    fd.and_then(Left::take).map(T::from)
}

/// A [`handover::Watch`].
#[derive(Serialize, Deserialize)]
pub(super) struct Watch {
    program: Left,
    task: handover::Task,
    process: Option<Left>,
    input: Option<Left>,
    output: Option<Left>,
    errors: Option<Left>,
    listener: Option<Left>,
    clients: Vec<Client>,
}

impl Watch {
    pub(super) fn leave(watch: handover::Watch) -> Result<Self, Errno> {
        let handover::Watch { program, task, open } = watch;
        Ok(Self {
            program: Left::leave(program)?,
            task,
            process: Left::leave_some(open.process)?,
            input: Left::leave_some(open.input)?,
            output: Left::leave_some(open.output)?,
            errors: Left::leave_some(open.errors)?,
            listener: Left::leave_some(open.listener)?,
            clients: leave_all(open.clients)?,
        })
    }

    pub(super) fn take(self) -> Option<handover::Watch> {
        let open = handover::Open {
            process: take(self.process),
            input: take(self.input),
            output: take(self.output),
            errors: take(self.errors),
            listener: take(self.listener),
            clients: take_all(self.clients),
        };
        Some(handover::Watch { program: self.program.take()?, task: self.task, open })
    }
}

/// A [`handover::Watched`].
#[derive(Serialize, Deserialize)]
pub(super) struct Watched {
    exit_code: Option<i32>,
    listener: Option<Left>,
    clients: Vec<Client>,
    note: String,
}

impl Watched {
    pub(super) fn leave(watched: handover::Watched) -> Result<Self, Errno> {
        Ok(Self {
            exit_code: watched.exit_code,
            listener: Left::leave_some(watched.listener)?,
            clients: leave_all(watched.clients)?,
            note: watched.note,
        })
    }

    pub(super) fn take(self) -> Option<handover::Watched> {
        Some(handover::Watched {
            exit_code: self.exit_code,
            listener: take(self.listener),
            clients: take_all(self.clients),
            note: self.note,
        })
    }
}

/// A client. What it has not taken yet is in a file without a name.
#[derive(Serialize, Deserialize)]
struct Client {
    socket: Left,
    manners: clients::Manners,
    rest: Option<Left>,
}

fn leave_all(clients: Vec<clients::Client>) -> Result<Vec<Client>, Errno> {
    let leave = |client: clients::Client| {
        let (socket, outbox, manners) = client.into_parts();
        let rest = (!outbox.is_empty()).then(|| in_memory(&outbox)).flatten();
        Ok(Client { socket: Left::leave(socket)?, manners, rest: Left::leave_some(rest)? })
    };
    clients.into_iter().map(leave).collect()
}

fn take_all(clients: Vec<Client>) -> Vec<clients::Client> {
    let take_one = |client: Client| {
        let mut outbox = Vec::new();
        if let Some(mut rest) = take::<File>(client.rest) {
            let _ = rest.rewind().and_then(|()| rest.read_to_end(&mut outbox));
        }
        let socket = UnixStream::from(client.socket.take()?);
        Some(clients::Client::from_parts(socket, outbox, client.manners))
    };
    clients.into_iter().filter_map(take_one).collect()
}

fn in_memory(bytes: &[u8]) -> Option<File> {
    let mut file = File::from(memfd_create(c"rest", MFdFlags::MFD_CLOEXEC).ok()?);
    file.write_all(bytes).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    /// What has an owner is not taken from it, whatever a text says.
    #[test]
    fn only_what_came_over_execve_is_taken_and_only_once() {
        let owned = File::open("/dev/null").unwrap();
        assert!(Left(owned.as_raw_fd()).take().is_none());
        assert!(
            Left(2).take().is_none() && Left(-1).take().is_none() && Left(9999).take().is_none()
        );
        let left = Left::leave(owned).unwrap();
        let number = left.0;
        let taken = left.take().unwrap();
        assert_eq!(taken.as_raw_fd(), number);
        assert!(Left(number).take().is_none());
    }
}
