//! Netlink: the four messages that move a network device.
//!
//! A message is a header, a struct of its kind, and attributes: length, type, value, padded to four
//! bytes. The kernel answers with an errno, 0 for "done", or with a list.
//!
//! Source: man 7 rtnetlink, man 7 netlink; linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ground::Errno;
use nix::{
    sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
    unistd,
};

type Done = Result<(), Errno>;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
/// sizeof(struct nlmsghdr), struct ifaddrmsg, struct rtattr.
const HEADER: usize = 16;
const ADDRESS: usize = 8;
const ATTRIBUTE: usize = 4;

/// A socket in the network namespace that its maker was in.
#[derive(Debug)]
pub(super) struct Netlink(OwnedFd);

/// An address of a device, as the kernel told it: what follows the index stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    family: u8,
    prefix_length: u8,
    attributes: Vec<u8>,
}

impl Netlink {
    /// # Errors
    /// EMFILE.
    pub(super) fn open() -> Result<Self, Errno> {
        let (flags, route) = (SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
        socket(AddressFamily::Netlink, SockType::Raw, flags, route).map(Self)
    }

    /// Moves a device to the network namespace `to`, where it is called `name`; a `%d` in it becomes
    /// the lowest number that is free there.
    ///
    /// # Errors
    /// EEXIST: the name is taken there; EPERM; EINVAL: a device that cannot be moved, as `lo`.
    pub(super) fn move_link(&self, index: u32, to: BorrowedFd<'_>, name: &str) -> Done {
        let mut body = link(index, 0);
        let fd = to.as_raw_fd() as u32;
        attribute(&mut body, libc::IFLA_NET_NS_FD, &fd.to_ne_bytes());
        attribute(&mut body, libc::IFLA_IFNAME, format!("{name}\0").as_bytes());
        self.ask(libc::RTM_NEWLINK, REQUEST | ACK, &body)
    }

    /// Switches a device on.
    ///
    /// # Errors
    /// ENODEV, or what its driver says.
    pub(super) fn up(&self, index: u32) -> Done {
        self.ask(libc::RTM_NEWLINK, REQUEST | ACK, &link(index, libc::IFF_UP as u32))
    }

    /// The addresses of a device that are for good and for everybody: what a lease or a router gave
    /// it, or what means it within one link only, is not among them.
    ///
    /// # Errors
    /// As recv(2).
    pub(super) fn addresses(&self, index: u32) -> Result<Vec<Address>, Errno> {
        self.send(libc::RTM_GETADDR, REQUEST | DUMP, &[0; ADDRESS])?;
        let mut found = Vec::new();
        loop {
            let buffer = self.receive()?;
            for (kind, body) in messages(&buffer) {
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(found),
                    libc::NLMSG_ERROR => result(body)?,
                    _ => found.extend(permanent(body, index)),
                }
            }
        }
    }

    /// Gives a device an address that another one had.
    ///
    /// # Errors
    /// EEXIST: it has it already.
    pub(super) fn add_address(&self, index: u32, address: &Address) -> Done {
        let mut body = vec![address.family, address.prefix_length, 0, 0];
        body.extend(index.to_ne_bytes());
        body.extend(&address.attributes);
        let create = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
        self.ask(libc::RTM_NEWADDR, REQUEST | ACK | create, &body)
    }

    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> Done {
        self.send(kind, flags, body)?;
        let buffer = self.receive()?;
        let answer = messages(&buffer).find(|(kind, _)| i32::from(*kind) == libc::NLMSG_ERROR);
        answer.map_or(Err(Errno::EBADMSG), |(_, body)| result(body))
    }

    fn send(&self, kind: u16, flags: u16, body: &[u8]) -> Done {
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        // Sequence and sender: one question at a time needs neither.
        message.extend([0; 8]);
        message.extend(body);
        unistd::write(self.0.as_fd(), &message).map(drop)
    }

    fn receive(&self) -> Result<Vec<u8>, Errno> {
        // The kernel's answers are at most a page, or 32 KiB for lists (man 7 netlink).
        let mut buffer = vec![0; 32 * 1024];
        loop {
            match unistd::read(self.0.as_fd(), &mut buffer) {
                Err(Errno::EINTR) => {}
                read => {
                    buffer.truncate(read?);
                    return Ok(buffer);
                }
            }
        }
    }
}

/// struct ifinfomsg: flags, and which of them are meant.
fn link(index: u32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(padded(body.len()), 0);
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// The messages of an answer: kind, and what follows the header.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = number(rest.get(..4)?) as usize;
        let kind = u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(padded(length)..).unwrap_or_default();
        Some((kind, body))
    })
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

/// The errno of an answer, negative in the first four bytes.
fn result(body: &[u8]) -> Done {
    match body.get(..4).map(|it| number(it) as i32) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw(-errno)),
        None => Err(Errno::EBADMSG),
    }
}

/// struct ifaddrmsg: family, prefix length, flags, scope, index; then attributes.
fn permanent(body: &[u8], index: u32) -> Option<Address> {
    const UNIVERSE: u8 = 0;
    let (head, mut rest) = (body.get(..ADDRESS)?, body.get(ADDRESS..)?);
    let mut flags = u32::from(head[2]);
    let mut attributes = Vec::new();
    while let Some(start) = rest.get(..ATTRIBUTE) {
        let length = usize::from(u16::from_ne_bytes([start[0], start[1]]));
        let kind = u16::from_ne_bytes([start[2], start[3]]);
        let value = rest.get(ATTRIBUTE..length)?;
        match kind {
            libc::IFA_FLAGS => flags = number(value),
            libc::IFA_ADDRESS | libc::IFA_LOCAL | libc::IFA_BROADCAST => {
                attribute(&mut attributes, kind, value);
            }
            // The label is the device's old name; the lifetime is for ever.
            _ => {}
        }
        rest = rest.get(padded(length)..).unwrap_or_default();
    }
    let ours = number(&head[4..]) == index;
    (ours && head[3] == UNIVERSE && flags & libc::IFA_F_PERMANENT != 0).then(|| Address {
        family: head[0],
        prefix_length: head[1],
        attributes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10.0.0.1/24 of device 7, with these flags and scope.
    fn told(flags: u8, scope: u8) -> Vec<u8> {
        let mut body = vec![libc::AF_INET as u8, 24, flags, scope];
        body.extend(7u32.to_ne_bytes());
        attribute(&mut body, libc::IFA_LOCAL, &[10, 0, 0, 1]);
        attribute(&mut body, libc::IFA_LABEL, b"eth0\0");
        body
    }

    #[test]
    fn only_what_is_for_good_and_for_everybody_is_kept() {
        let kept = permanent(&told(0x80, 0), 7).unwrap();
        assert_eq!((kept.family, kept.prefix_length), (2, 24));
        // Without its label.
        assert_eq!(kept.attributes, [8, 0, libc::IFA_LOCAL as u8, 0, 10, 0, 0, 1]);
        assert_eq!(permanent(&told(0, 0), 7), None);
        assert_eq!(permanent(&told(0x80, 253), 7), None);
        assert_eq!(permanent(&told(0x80, 0), 8), None);
        assert_eq!(permanent(&told(0x80, 0)[..14], 7), None);
    }

    #[test]
    fn an_answer_is_a_list_of_messages() {
        let mut answer = Vec::new();
        for kind in [2u16, 3] {
            answer.extend(20u32.to_ne_bytes());
            answer.extend(kind.to_ne_bytes());
            answer.extend([0; 10]);
            answer.extend((-1i32).to_ne_bytes());
        }
        let kinds: Vec<_> = messages(&answer).map(|(kind, body)| (kind, result(body))).collect();
        assert_eq!(kinds, [(2, Err(Errno::EPERM)), (3, Err(Errno::EPERM))]);
        assert_eq!(messages(&answer[..18]).count(), 0);
    }
}
