//! Porter: holds the published ports of a container, and carries what the kernel does not lead.
//!
//! A port that is listened on is taken: nobody else can have it, and the kernel says who was first.
//! What comes from elsewhere never reaches these sockets, because netfilter leads it on before
//! (`rules`). What comes through the loopback interface does: 127.0.0.1 has no way to a bridge.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    process::Child,
    sync::Arc,
    time::Duration,
};

use ground::{Error, Result};
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt,
        socket, sockopt,
    },
};
use serde::{Deserialize, Serialize};
use tokio::{net, time};

use super::{
    attendant,
    ledger::{self, Ledger},
    netns::Netns,
    publish::{Lead, Protocol, Publish},
};
use crate::layout::Layout;

/// The verb of the command line that is the porter.
pub const PORTER: &str = "porter";

/// What a porter does.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The store's root, where the container's address stands in the ledger.
    pub root: PathBuf,
    /// The container's ID.
    pub container: String,
    /// The container's monitor.
    pub monitor: i32,
    /// What is published.
    pub ports: Vec<Publish>,
    /// The network namespace of an ordinary user's container, as a path: nobody can reach it from here.
    pub inside: Option<PathBuf>,
}

/// Starts a porter, and says which ports it got.
///
/// # Errors
/// A port that somebody else has; a privileged port without privilege.
pub fn start(request: &Request) -> Result<(Child, Vec<Lead>)> {
    attendant::start(PORTER, request)
}

/// Is the porter, until the monitor ends.
///
/// # Errors
/// When nobody can be told what went wrong.
pub fn run() -> Result<()> {
    attendant::attend(
        |request: &Request| request.monitor,
        |request| {
            let mut doors = Vec::new();
            for publish in &request.ports {
                doors.extend(open(publish)?);
            }
            let leads: Vec<Lead> = doors.iter().map(|(lead, _)| *lead).collect();
            Ok((doors, leads))
        },
        serve,
    )
}

/// A socket that holds a port.
#[derive(Debug)]
enum Door {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// How often the kernel is asked for a port that is free on all addresses.
const TRIES: usize = 64;

/// Takes one port, on each address that is wanted.
fn open(publish: &Publish) -> Result<Vec<(Lead, Door)>> {
    let ips: Vec<IpAddr> = match publish.host_ip {
        Some(ip) => vec![ip],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    };
    let ports: Vec<u16> = match publish.host_ports {
        Some((first, last)) => (first..=last).collect(),
        None => vec![0; TRIES],
    };
    let mut last = (Errno::EADDRINUSE, SocketAddr::new(ips[0], ports[0]));
    for port in ports {
        match open_all(publish, &ips, port) {
            Ok(doors) => return Ok(doors),
            Err(failed) => last = failed,
        }
    }
    Err(refused(publish, last.0, last.1))
}

fn open_all(
    publish: &Publish,
    ips: &[IpAddr],
    mut port: u16,
) -> Result<Vec<(Lead, Door)>, (Errno, SocketAddr)> {
    let mut doors = Vec::new();
    for ip in ips {
        let address = SocketAddr::new(*ip, port);
        match door(publish.port.protocol, address) {
            Ok((door, got)) => {
                port = got;
                let lead = Lead { host_ip: *ip, host_port: port, port: publish.port };
                doors.push((lead, door));
            }
            // A machine without IPv6 has nobody who could come that way.
            Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) if publish.host_ip.is_none() => {}
            Err(errno) => return Err((errno, address)),
        }
    }
    Ok(doors)
}

fn door(protocol: Protocol, address: SocketAddr) -> Result<(Door, u16), Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket: OwnedFd = socket(family, kind, flags, None)?;
    if protocol == Protocol::Tcp {
        // Connections that linger after an earlier container do not hold the port.
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    if address.is_ipv6() {
        // IPv4 has a socket of its own.
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    let io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    match protocol {
        Protocol::Tcp => {
            listen(&socket, Backlog::MAXCONN)?;
            let listener = TcpListener::from(socket);
            let port = listener.local_addr().map_err(io)?.port();
            Ok((Door::Tcp(listener), port))
        }
        Protocol::Udp => {
            let socket = UdpSocket::from(socket);
            let port = socket.local_addr().map_err(io)?.port();
            Ok((Door::Udp(socket), port))
        }
    }
}

fn refused(publish: &Publish, errno: Errno, address: SocketAddr) -> Error {
    let protocol = publish.port.protocol;
    let error = Error::new(format!("failed to bind port {address}/{protocol}"))
        .call(&format!("bind({address})"), errno)
        .see("2 bind");
    match errno {
        Errno::EADDRINUSE => error.fix(format!(
            "find out who listens there (ss -lnp sport = :{0}), or publish another port",
            address.port()
        )),
        Errno::EACCES => error.fix(
            "ports below 1024 are for root; choose a higher one, or lower \
             net.ipv4.ip_unprivileged_port_start",
        ),
        Errno::EADDRNOTAVAIL => error.fix("name an address of this machine: ip address"),
        _ => error,
    }
}

async fn serve(request: Request, doors: Vec<(Lead, Door)>) {
    let inside = match request.inside.map(Netns::open) {
        Some(Ok(netns)) => Some(Arc::new(netns)),
        Some(Err(_)) => return,
        None => None,
    };
    let layout = Layout::new(request.root);
    let whereto = Arc::new(Whereto { layout, id: request.container, inside });
    let mut tasks = tokio::task::JoinSet::new();
    for (lead, door) in doors {
        let whereto = Arc::clone(&whereto);
        match door {
            Door::Tcp(listener) => drop(tasks.spawn(streams(listener, lead, whereto))),
            Door::Udp(socket) => drop(tasks.spawn(datagrams(socket, lead, whereto))),
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Where the container is: it may change networks while it runs.
#[derive(Debug)]
struct Whereto {
    layout: Layout,
    id: String,
    inside: Option<Arc<Netns>>,
}

/// Where a port leads to just now.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    /// From where that can be reached; from here if none.
    from: Option<Arc<Netns>>,
}

impl Whereto {
    fn target(&self, lead: &Lead) -> Option<Target> {
        let ledger: Ledger = ledger::read(&self.layout).ok()?;
        let published = ledger.lead_to(&self.id, &[*lead]);
        let address = SocketAddr::new(published.first()?.target, lead.port.number);
        let from = match &self.inside {
            None => None,
            Some(own) if ledger.carried.contains_key(&self.id) => Some(Arc::clone(own)),
            // Looked for each time: to have it open would keep it there without its holder.
            Some(_) => Some(Arc::new(ledger.home()?)),
        };
        Some(Target { address, from })
    }
}

impl Target {
    /// Makes a socket where the container can be reached from.
    fn there<T: Send>(&self, make: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let Some(netns) = &self.from else { return make() };
        let made = netns.inside(|| Ok(make()));
        made.map_err(|error| io::Error::other(error.to_string()))?
    }

    async fn connect(self) -> io::Result<net::TcpStream> {
        let socket = self.there(|| match self.address.is_ipv4() {
            true => net::TcpSocket::new_v4(),
            false => net::TcpSocket::new_v6(),
        })?;
        let Self { address, .. } = self;
        socket.connect(address).await
    }

    fn ask(&self) -> io::Result<net::UdpSocket> {
        let any: IpAddr = match self.address.is_ipv4() {
            true => Ipv4Addr::UNSPECIFIED.into(),
            false => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = self.there(|| UdpSocket::bind(SocketAddr::new(any, 0)))?;
        socket.connect(self.address)?;
        socket.set_nonblocking(true)?;
        net::UdpSocket::from_std(socket)
    }
}

async fn streams(listener: TcpListener, lead: Lead, whereto: Arc<Whereto>) {
    let Ok(listener) = net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((mut outside, _)) = listener.accept().await else {
            // No descriptor is free: that passes.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(target) = whereto.target(&lead) else { continue };
        tokio::spawn(async move {
            if let Ok(mut inside) = target.connect().await {
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            }
        });
    }
}

/// How long an answer to a datagram is waited for.
const QUIET: Duration = Duration::from_secs(90);

/// The largest datagram.
const DATAGRAM: usize = 65_535;

async fn datagrams(socket: UdpSocket, lead: Lead, whereto: Arc<Whereto>) {
    let Ok(socket) = net::UdpSocket::from_std(socket) else { return };
    let socket = Arc::new(socket);
    // One socket for each asker, or the container's answers could not be told apart.
    let mut askers: HashMap<SocketAddr, Arc<net::UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((length, asker)) = socket.recv_from(&mut buffer).await else { continue };
        // Only the loop below holds the other half, as long as it waits for answers.
        askers.retain(|_, inside| Arc::strong_count(inside) > 1);
        let inside = match askers.entry(asker) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(new) => {
                let inside = whereto.target(&lead).map(|target| target.ask());
                let Some(Ok(inside)) = inside else { continue };
                let inside = Arc::clone(new.insert(Arc::new(inside)));
                tokio::spawn(answers(Arc::clone(&inside), Arc::clone(&socket), asker));
                inside
            }
        };
        let _ = inside.send(&buffer[..length]).await;
    }
}

async fn answers(inside: Arc<net::UdpSocket>, outside: Arc<net::UdpSocket>, asker: SocketAddr) {
    let mut buffer = vec![0; DATAGRAM];
    while let Ok(Ok(length)) = time::timeout(QUIET, inside.recv(&mut buffer)).await {
        let _ = outside.send_to(&buffer[..length], asker).await;
    }
}
