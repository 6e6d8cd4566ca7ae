//! Resolver: names of containers, answered at 127.0.0.11 in a container's own network namespace.
//!
//! Its sockets are made inside and stay there; the process itself is outside, where the host's name
//! servers can be reached. Whatever is no name of a container is sent on to them as it came.
//!
//! Port 53 stays free for a program that wants it: a rule in the container's namespace leads to the
//! port that the kernel gave us. Where there is no such rule to be had we take 53 itself.
//!
//! Source: RFC 1035; moby's libnetwork, resolver.go, whose answers are the same.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as SocketName, UnixDatagram},
    },
    path::{Path, PathBuf},
    process::Child,
    sync::Arc,
    time::Duration,
};

use ground::{Error, Result};
use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, PTR},
    },
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net, time,
};

use super::{
    attendant, firewall,
    ledger::{self, Endpoint, Ledger},
    netns::Netns,
};
use crate::layout::Layout;

/// The verb of the command line that is the resolver.
pub const RESOLVER: &str = "resolver";

/// What a resolver does.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The store's root, where all names stand in the ledger.
    pub root: PathBuf,
    /// The container's ID.
    pub container: String,
    /// The container's monitor.
    pub monitor: i32,
    /// The container's network namespace, as a path.
    pub netns: PathBuf,
    /// Where to answer, inside.
    pub address: IpAddr,
    /// Whom to ask for other names; those whom the host asks if none.
    pub servers: Vec<IpAddr>,
}

/// Starts a resolver.
///
/// # Errors
/// An address that is taken inside, what the kernel said.
pub fn start(request: &Request) -> Result<Child> {
    attendant::start::<()>(RESOLVER, request).map(|(child, ())| child)
}

/// Whether a resolver answers in the network namespace behind a path: the kernel knows it by the
/// socket that each has there.
pub fn is_there(netns: &Path) -> bool {
    let reached = || {
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&SocketName::from_abstract_name(HERE)?)
    };
    Netns::open(netns).and_then(|netns| netns.inside(|| Ok(reached().is_ok()))).unwrap_or(false)
}

/// The name of a socket that is a resolver's mark. It is in no file system, but in the network
/// namespace, and goes with its process (man 7 unix, "Abstract sockets").
const HERE: &str = "mini-docker-resolver";

/// Is the resolver, until the monitor ends.
///
/// # Errors
/// When nobody can be told what went wrong.
pub fn run(servers_of_host: fn() -> Vec<IpAddr>) -> Result<()> {
    attendant::attend(
        |request: &Request| request.monitor,
        |request| {
            let netns = Netns::open(&request.netns)?;
            let made = || Ok((sockets(request.address)?, mark()));
            netns.inside(made).map(|sockets| (sockets, ()))
        },
        |request, ((udp, tcp), mark)| async move {
            // As long as we answer.
            let _mark = mark;
            let resolver = Arc::new(Resolver {
                layout: Layout::new(request.root),
                container: request.container,
                servers: request.servers,
                servers_of_host,
            });
            tokio::join!(datagrams(udp, Arc::clone(&resolver)), streams(tcp, resolver));
        },
    )
}

/// Says that a resolver is here. Another one may be, which comes before us: both answer the same.
fn mark() -> Option<UnixDatagram> {
    UnixDatagram::bind_addr(&SocketName::from_abstract_name(HERE).ok()?).ok()
}

/// The port of name servers.
const DOMAIN: u16 = 53;

/// Our sockets, in the namespace that this thread is in, with port 53 leading to them.
fn sockets(address: IpAddr) -> Result<(UdpSocket, TcpListener)> {
    let any = bind(address, 0)?;
    let port = any.0.local_addr().map_or(0, |it| it.port());
    match firewall::lead_names(SocketAddr::new(address, DOMAIN), port) {
        Ok(()) => Ok(any),
        Err(_) => bind(address, DOMAIN),
    }
}

fn bind(address: IpAddr, port: u16) -> Result<(UdpSocket, TcpListener)> {
    let bound = || -> io::Result<_> {
        let udp = UdpSocket::bind(SocketAddr::new(address, port))?;
        let tcp = TcpListener::bind(udp.local_addr()?)?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok((udp, tcp))
    };
    bound().map_err(|error| {
        Error::new("cannot answer for names").io(format_args!("bind {address}:{port}"), &error)
    })
}

/// What is known, and who is asked for the rest.
#[derive(Debug)]
struct Resolver {
    layout: Layout,
    container: String,
    servers: Vec<IpAddr>,
    servers_of_host: fn() -> Vec<IpAddr>,
}

/// The largest message (RFC 1035, 4.2.2).
const MESSAGE: usize = 65_535;
/// How long one name server is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long an answer of ours may be kept, in seconds.
const TTL: u32 = 600;

async fn datagrams(socket: UdpSocket, resolver: Arc<Resolver>) {
    let Ok(socket) = net::UdpSocket::from_std(socket) else { return };
    let socket = Arc::new(socket);
    let mut buffer = vec![0; MESSAGE];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut buffer).await else { continue };
        let query = buffer[..length].to_vec();
        let (socket, resolver) = (Arc::clone(&socket), Arc::clone(&resolver));
        tokio::spawn(async move {
            if let Some(answer) = resolver.answer(&query, false).await {
                let _ = socket.send_to(&answer, asker).await;
            }
        });
    }
}

async fn streams(listener: TcpListener, resolver: Arc<Resolver>) {
    let Ok(listener) = net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let resolver = Arc::clone(&resolver);
        tokio::spawn(async move {
            while let Ok(query) = receive(&mut stream).await {
                let Some(answer) = resolver.answer(&query, true).await else { break };
                if send(&mut stream, &answer).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// In a stream each message has its length before it (RFC 1035, 4.2.2).
async fn receive(stream: &mut net::TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn send(stream: &mut net::TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}

impl Resolver {
    async fn answer(&self, query: &[u8], stream: bool) -> Option<Vec<u8>> {
        let message = Message::from_vec(query).ok()?;
        let ledger = ledger::read(&self.layout).unwrap_or_default();
        let names = Names { ledger: &ledger, container: &self.container };
        if let Some(answer) = names.answer(&message) {
            return answer.to_vec().ok();
        }
        if !names.has_way_out() {
            return failure(&message, ResponseCode::Refused);
        }
        let servers = match self.servers.as_slice() {
            [] => (self.servers_of_host)(),
            servers => servers.to_vec(),
        };
        for server in servers {
            let asked = ask(SocketAddr::new(server, DOMAIN), query, stream);
            if let Ok(Ok(answer)) = time::timeout(PATIENCE, asked).await {
                return Some(answer);
            }
        }
        failure(&message, ResponseCode::ServFail)
    }
}

async fn ask(server: SocketAddr, query: &[u8], stream: bool) -> io::Result<Vec<u8>> {
    if stream {
        let mut connection = net::TcpStream::connect(server).await?;
        send(&mut connection, query).await?;
        return receive(&mut connection).await;
    }
    let any: IpAddr = match server.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A port of its own for each question is what makes answers hard to forge (RFC 5452).
    let socket = net::UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; MESSAGE];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // An answer has its question's number.
        if buffer.get(..2) == query.get(..2) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

fn failure(query: &Message, code: ResponseCode) -> Option<Vec<u8>> {
    let mut answer = response(query);
    answer.metadata.response_code = code;
    answer.to_vec().ok()
}

fn response(query: &Message) -> Message {
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_queries(query.queries.clone());
    answer
}

/// The names that one container may ask for. Pure.
#[derive(Debug, Clone, Copy)]
struct Names<'a> {
    ledger: &'a Ledger,
    container: &'a str,
}

impl<'a> Names<'a> {
    /// The answer, if the question is about a container.
    fn answer(self, query: &Message) -> Option<Message> {
        let [question] = query.queries.as_slice() else { return None };
        if query.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut answer = response(query);
        let name = question.name();
        let kind = question.query_type();
        if kind == RecordType::PTR {
            let ip = pointed_at(name)?;
            let target = Name::from_ascii(self.name_of(ip)? + ".").ok()?;
            answer.add_answer(Record::from_rdata(name.clone(), TTL, RData::PTR(PTR(target))));
            return Some(answer);
        }
        let addresses = self.addresses(name.to_utf8().trim_end_matches('.'));
        if addresses.is_empty() {
            return None;
        }
        for address in addresses {
            let data = match (address, kind) {
                (IpAddr::V4(it), RecordType::A) => RData::A(A(it)),
                (IpAddr::V6(it), RecordType::AAAA) => RData::AAAA(AAAA(it)),
                // The name is there, and has nothing of this kind.
                _ => continue,
            };
            answer.add_answer(Record::from_rdata(name.clone(), TTL, data));
        }
        Some(answer)
    }

    /// Where the container is, but the default network, which has no names.
    fn own(self) -> impl Iterator<Item = &'a Endpoint> {
        self.ledger.of_container(self.container).filter(move |endpoint| {
            self.ledger.network(&endpoint.network).is_some_and(|network| !network.is_default())
        })
    }

    /// One may be a user's, with a way out of its own (`usermode`).
    fn has_way_out(self) -> bool {
        self.ledger.of_container(self.container).next().is_none()
            || self.ledger.carried.contains_key(self.container)
            || self.ledger.entrance(self.container).is_some()
    }

    /// The addresses of all who answer to a name in a network that the container is in.
    fn addresses(self, asked: &str) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for own in self.own() {
            let link = own.links.iter().find(|link| link.alias.eq_ignore_ascii_case(asked));
            let network = self.ledger.network(&own.network).map_or("", |it| it.name.as_str());
            let plain = asked.strip_suffix(network).and_then(|it| it.strip_suffix('.'));
            let meant = link.map_or(plain.unwrap_or(asked), |link| link.target.as_str());
            for member in self.ledger.members(&own.network) {
                if member.answers_to(asked) || member.answers_to(meant) || member.container == meant
                {
                    found.extend(member.addresses());
                }
            }
        }
        found
    }

    fn name_of(self, ip: IpAddr) -> Option<String> {
        self.own().find_map(|own| {
            let mut members = self.ledger.members(&own.network);
            let member = members.find(|member| member.addresses().any(|it| it == ip))?;
            let network = self.ledger.network(&own.network)?;
            Some(format!("{}.{}", member.name, network.name))
        })
    }
}

/// The address in a name like `2.0.17.172.in-addr.arpa.` (RFC 1035, 3.5; RFC 3596, 2.5).
fn pointed_at(name: &Name) -> Option<IpAddr> {
    let text = name.to_ascii().to_ascii_lowercase();
    if let Some(digits) = text.strip_suffix(".in-addr.arpa.") {
        let mut parts: Vec<_> = digits.split('.').collect();
        parts.reverse();
        return parts.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let digits = text.strip_suffix(".ip6.arpa.")?;
    let digits: String = digits.split('.').rev().collect();
    let bits = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(IpAddr::V6(Ipv6Addr::from(bits)))
}
