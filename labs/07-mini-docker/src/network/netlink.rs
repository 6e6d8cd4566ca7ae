//! Netlink: questions to the kernel about its network, as messages on a socket.
//!
//! A socket belongs to the network namespace in which it was made, for good. So whoever wants to
//! speak about another namespace visits it, opens a socket there and comes back (`netns`). It is a
//! blocking socket without a thread: the monitor uses it, and a monitor has one thread.
//!
//! Source: man 7 netlink, man 7 rtnetlink; the crates netlink-packet-core and netlink-packet-route.

use std::{fmt, io, marker::PhantomData};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

/// A failure of one call: its errno, for those who branch on it.
pub(super) type Done = Result<(), Errno>;

/// A socket in the network namespace that its maker was in, for messages of one kind.
pub(super) struct Netlink<M = RouteNetlinkMessage>(Socket, PhantomData<fn(M) -> M>);

impl<M> fmt::Debug for Netlink<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Netlink")
    }
}

impl Netlink {
    /// To speak about interfaces, addresses and routes.
    ///
    /// # Errors
    /// As [`Netlink::with`].
    pub(super) fn open() -> Result<Self, Errno> {
        Self::with(NETLINK_ROUTE)
    }
}

impl<M: NetlinkSerializable + NetlinkDeserializable> Netlink<M> {
    /// To speak with one part of the kernel.
    ///
    /// # Errors
    /// EMFILE; EAFNOSUPPORT for a kernel without netlink, EPROTONOSUPPORT for one without this part.
    pub(super) fn with(protocol: isize) -> Result<Self, Errno> {
        let socket = Socket::new(protocol).map_err(errno)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(errno)?;
        Ok(Self(socket, PhantomData))
    }

    /// Asks for something new, and fails with EEXIST where it is there already.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn create(&self, message: M) -> Done {
        self.request(message, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Asks for a change, and waits until it has been made.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn change(&self, message: M) -> Done {
        self.request(message, 0)
    }

    /// Asks for a list.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn list(&self, message: M) -> Result<Vec<M>, Errno> {
        self.send([(message, NLM_F_DUMP)])?;
        let mut found = Vec::new();
        self.answers(|answer| match answer {
            NetlinkPayload::InnerMessage(message) => {
                found.push(message);
                None
            }
            NetlinkPayload::Done(_) => Some(Ok(())),
            other => failure(&other),
        })?;
        Ok(found)
    }

    /// Asks about one thing.
    ///
    /// # Errors
    /// The kernel's: ENOENT where there is no such thing.
    pub(super) fn ask(&self, message: M) -> Result<M, Errno> {
        self.send([(message, 0)])?;
        let mut found = Err(Errno::EBADMSG);
        self.answers(|answer| match answer {
            NetlinkPayload::InnerMessage(message) => {
                found = Ok(message);
                Some(Ok(()))
            }
            other => failure(&other),
        })?;
        found
    }

    /// Asks for changes that are made all or none: `begin` and `end` say which.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn batch(&self, begin: M, change: M, end: M) -> Done {
        self.send([(begin, 0), (change, NLM_F_ACK), (end, 0)])?;
        self.answers(|answer| failure(&answer))
    }

    fn request(&self, message: M, flags: u16) -> Done {
        self.send([(message, NLM_F_ACK | flags)])?;
        self.answers(|answer| failure(&answer))
    }

    fn send<const N: usize>(&self, messages: [(M, u16); N]) -> Done {
        let mut all = Vec::new();
        for (message, flags) in messages {
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | flags;
            let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
            message.finalize();
            let mut bytes = vec![0; message.buffer_len()];
            message.serialize(&mut bytes);
            all.extend(bytes);
        }
        self.0.send(&all, 0).map(drop).map_err(errno)
    }

    /// Hands each answer to `take` until that says that it was the last one.
    fn answers(&self, mut take: impl FnMut(NetlinkPayload<M>) -> Option<Done>) -> Done {
        loop {
            let (bytes, _) = self.0.recv_from_full().map_err(errno)?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::deserialize(rest).map_err(|_| Errno::EBADMSG)?;
                // Messages begin at multiples of four bytes.
                let length = (message.header.length as usize).next_multiple_of(4);
                if let Some(done) = take(message.payload) {
                    return done;
                }
                rest = rest.get(length.max(4)..).unwrap_or_default();
            }
        }
    }
}

/// The end of a request: an acknowledgement, which is the errno 0, or another errno.
fn failure<M>(answer: &NetlinkPayload<M>) -> Option<Done> {
    match answer {
        NetlinkPayload::Error(error) => Some(match error.code {
            None => Ok(()),
            Some(code) => Err(Errno::from_raw(code.get().abs())),
        }),
        _ => None,
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
