//! nf_tables: what the kernel's packet filter is asked and told without a program in between.
//!
//! Rules are written in the words of nft(8), which translates them into the kernel's small
//! instructions (`rules`, `firewall`). A question and a removal need none, and starting a program for
//! each of them takes longer than the answer.
//!
//! Source: nfnetlink and nf_tables of the kernel's include/uapi/linux/netfilter.

use std::convert::Infallible;

use netlink_packet_core::{
    DefaultNla, Emitable, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, Nla,
    NlaBuffer, NlasIterator,
};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

use super::netlink::Netlink;

/// A socket that speaks with nf_tables about the network namespace that it was made in.
#[derive(Debug)]
pub(super) struct NfTables(Netlink<Message>);

impl NfTables {
    /// # Errors
    /// EPROTONOSUPPORT: a kernel without netfilter.
    pub(super) fn here() -> Result<Self, Errno> {
        Netlink::with(NETLINK_NETFILTER).map(Self)
    }

    /// Whether what no rule speaks of is dropped at the end of a chain of IPv4. A chain that is not
    /// there drops nothing.
    pub(super) fn drops(&self, table: &str, chain: &str) -> bool {
        let names = [(NFTA_CHAIN_TABLE, table), (NFTA_CHAIN_NAME, chain)];
        let question = Message::of_tables(libc::NFT_MSG_GETCHAIN, libc::NFPROTO_IPV4, &names);
        let found = self.0.ask(question);
        found.is_ok_and(|chain| chain.number(NFTA_CHAIN_POLICY) == Some(libc::NF_DROP))
    }

    /// Deletes a table of IPv4 and IPv6, with all that is in it; fine when there is none. It is gone
    /// when this returns; the socket takes some ms to be closed after that, because the kernel waits
    /// until no packet meets the rules any more.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN.
    pub(super) fn delete_table(&self, table: &str) -> Result<(), Errno> {
        let names = [(NFTA_TABLE_NAME, table)];
        let delete = Message::of_tables(libc::NFT_MSG_DELTABLE, libc::NFPROTO_INET, &names);
        let mark = |kind| Message { kind, family: 0, subsystem: TABLES, attributes: Vec::new() };
        let [begin, end] = [libc::NFNL_MSG_BATCH_BEGIN, libc::NFNL_MSG_BATCH_END].map(mark);
        match self.0.batch(begin, delete, end) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

const TABLES: i32 = libc::NFNL_SUBSYS_NFTABLES;
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_POLICY: u16 = 5;

/// One message: a `struct nfgenmsg`, and attributes.
#[derive(Debug)]
struct Message {
    kind: i32,
    family: i32,
    /// Whom a batch is for; 0 in all other messages.
    subsystem: i32,
    attributes: Vec<DefaultNla>,
}

/// sizeof(struct nfgenmsg): family, version, and two bytes for the subsystem.
const NFGENMSG: usize = 4;

impl Message {
    fn of_tables(kind: i32, family: i32, names: &[(u16, &str)]) -> Self {
        let name = |(attribute, name): &(u16, &str)| {
            let mut bytes = name.as_bytes().to_vec();
            bytes.push(0);
            DefaultNla::new(*attribute, bytes)
        };
        let attributes = names.iter().map(name).collect();
        Self { kind: TABLES << 8 | kind, family, subsystem: 0, attributes }
    }

    /// The number in an attribute; nf_tables has them in network byte order.
    fn number(&self, attribute: u16) -> Option<i32> {
        let found = self.attributes.iter().find(|it| it.kind() == attribute)?;
        let mut bytes = [0; 4];
        (found.value_len() == bytes.len()).then(|| found.emit_value(&mut bytes))?;
        Some(i32::from_be_bytes(bytes))
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        u16::try_from(self.kind).unwrap_or_default()
    }

    fn buffer_len(&self) -> usize {
        NFGENMSG + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let (head, attributes) = buffer.split_at_mut(NFGENMSG);
        let subsystem = u16::try_from(self.subsystem).unwrap_or_default().to_be_bytes();
        let family = u8::try_from(self.family).unwrap_or_default();
        head.copy_from_slice(&[family, 0, subsystem[0], subsystem[1]]);
        self.attributes.as_slice().emit(attributes);
    }
}

impl NetlinkDeserializable for Message {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        let read = |it: NlaBuffer<&[u8]>| DefaultNla::new(it.kind(), it.value().to_vec());
        let attributes = NlasIterator::new(payload.get(NFGENMSG..).unwrap_or_default());
        Ok(Self {
            kind: header.message_type.into(),
            family: payload.first().copied().unwrap_or_default().into(),
            subsystem: 0,
            attributes: attributes.map_while(|it| it.ok().map(read)).collect(),
        })
    }
}
