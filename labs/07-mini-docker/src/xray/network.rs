//! The network: interfaces with their addresses, routes, and who listens.
//!
//! What is asked of the kernel by netlink is answered for the namespace that the asker is in, so
//! interfaces and routes take a visit (setns(2), lab 05). The tables of sockets are files under
//! `/proc/PID/net`, which follow the process, and which everybody may read.

use std::net::SocketAddr;

use ground::{Error, Result, Step, Table};
use namespaces::{Id, Kind, Kinds};
use nix::unistd::{Pid, geteuid};
use procfs::{
    net::{TcpState, UdpState},
    process::{FDTarget, Process},
};
use serde::Serialize;
use setns::{JoinProcess, Target};

use super::Seen;
use crate::network::{
    interfaces::{Interface, Route, interfaces, routes},
    netns::Netns,
};

/// What a container has of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Network {
    /// Whether it is ours; `None` where that may not be seen.
    pub ours: Option<bool>,
    /// Its interfaces and routes.
    pub links: Seen<Links>,
    /// Who waits for others in it.
    pub listening: Vec<Socket>,
}

/// Interfaces and routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Links {
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// The other ends of its cables, where they are in our namespace: name here, and the bridge.
    pub peers: Vec<Peer>,
    /// Where packets go.
    pub routes: Vec<Route>,
}

/// The other end of a cable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The interface inside.
    pub of: String,
    /// The name of the end here.
    pub name: String,
    /// The bridge that it is plugged into.
    pub bridge: Option<String>,
}

/// A socket that others can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Its address and port.
    pub address: SocketAddr,
    /// The process of the container that has it, by its number here; `None` if it is another's in
    /// the same network, or may not be seen.
    pub pid: Option<i32>,
}

/// Looks at the network of a process; `members` are the processes that may own its sockets.
///
/// # Errors
/// When the process has ended.
pub fn look(target: &Target, members: &[i32]) -> Result<Network> {
    let pid = target.pid();
    let own = Id::own(Kind::Net).ok();
    Ok(Network {
        ours: Id::of(pid, Kind::Net).ok().map(|theirs| Some(theirs) == own),
        listening: listening(pid, members)?,
        links: links(target).into(),
    })
}

/// Interfaces and routes, by a visit.
fn links(target: &Target) -> Result<Links> {
    let hidden = |error: Error| Error {
        what: "cannot see its interfaces and routes".to_owned(),
        fix: Some("look at a container of your own, or as root".to_owned()),
        ..error
    };
    let here = interfaces().unwrap_or_default();
    let netns = Netns::open(format!("/proc/{}/ns/net", target.pid())).map_err(hidden)?;
    let same = Netns::own()?.id()? == netns.id()?;
    if !same {
        join_user_namespace(target).map_err(hidden)?;
    }
    let look = || Ok((interfaces()?, routes()?));
    let (interfaces, routes) = if same { look() } else { netns.inside(look).map_err(hidden) }?;
    let peers = interfaces.iter().filter(|_| !same).filter_map(|it| peer(it, &here)).collect();
    Ok(Links { interfaces, peers, routes })
}

/// An ordinary user enters a network namespace from the user namespace that owns it.
fn join_user_namespace(target: &Target) -> Result<()> {
    let kinds = target.elsewhere(Kinds::of([Kind::User]))?;
    if kinds.is_empty() || geteuid().is_root() {
        return Ok(());
    }
    let step = JoinProcess::new(target, kinds);
    step.run().map_err(|errno| step.failed(errno))
}

/// Both ends of a veth pair know each other's number.
fn peer(inside: &Interface, here: &[Interface]) -> Option<Peer> {
    let ends =
        |other: &&Interface| inside.peer == Some(other.index) && other.peer == Some(inside.index);
    let end = here.iter().find(ends)?;
    let bridge = here.iter().find(|it| Some(it.index) == end.master);
    Some(Peer {
        of: inside.name.clone(),
        name: end.name.clone(),
        bridge: bridge.map(|it| it.name.clone()),
    })
}

fn listening(pid: Pid, members: &[i32]) -> Result<Vec<Socket>> {
    let gone = |error: procfs::ProcError| {
        Error::new("cannot see its sockets")
            .why(format!("read /proc/{pid}/net: {error}"))
            .see("5 proc_pid_net")
            .fix("check that the process still runs: ps -e")
    };
    let process = Process::new(pid.as_raw()).map_err(gone)?;
    let owners = owners(members);
    let socket = |protocol, address, inode: u64| Socket {
        protocol,
        address,
        pid: owners.iter().find(|(of, _)| *of == inode).map(|(_, pid)| *pid),
    };
    let tcp = process.tcp().map_err(gone)?.into_iter().chain(process.tcp6().unwrap_or_default());
    let tcp = tcp.filter(|it| it.state == TcpState::Listen);
    let udp = process.udp().map_err(gone)?.into_iter().chain(process.udp6().unwrap_or_default());
    // Without a partner, whoever sends is heard.
    let udp = udp.filter(|it| it.state == UdpState::Close);
    let mut all: Vec<Socket> = tcp
        .map(|it| socket("tcp", it.local_address, it.inode))
        .chain(udp.map(|it| socket("udp", it.local_address, it.inode)))
        .collect();
    all.sort_by_key(|it| (it.protocol, it.address.port(), it.address));
    Ok(all)
}

/// The sockets that these processes have open, by inode.
fn owners(members: &[i32]) -> Vec<(u64, i32)> {
    let mut found = Vec::new();
    for &pid in members {
        let Ok(open) = Process::new(pid).and_then(|it| it.fd()) else { continue };
        found.extend(open.flatten().filter_map(|fd| match fd.target {
            FDTarget::Socket(inode) => Some((inode, pid)),
            _ => None,
        }));
    }
    found
}

impl Network {
    pub(super) fn told(&self) -> (Vec<Table>, Vec<String>) {
        let mut words = Vec::new();
        if self.ours == Some(true) {
            words.push("it is our network: what listens inside listens on this machine".to_owned());
        }
        let mut tables = match &self.links {
            Seen::Facts(links) => links.told(),
            Seen::Hidden(error) => {
                words.push(format!("hidden: {error}"));
                Vec::new()
            }
        };
        match self.listening.is_empty() {
            true => words.push("nobody listens in it".to_owned()),
            false => tables.push(self.sockets()),
        }
        (tables, words)
    }

    fn sockets(&self) -> Table {
        let mut table = Table::new(["listens", "address", "pid"]);
        for it in &self.listening {
            let pid = it.pid.map_or_else(|| "-".to_owned(), |it| it.to_string());
            table.push([it.protocol.to_owned(), it.address.to_string(), pid]);
        }
        table
    }
}

impl Links {
    fn told(&self) -> Vec<Table> {
        let mut links = Table::new(["interface", "state", "addresses", "hardware", "other end"]);
        for it in &self.interfaces {
            let addresses: Vec<_> = it.addresses.iter().map(ToString::to_string).collect();
            let peer = self.peers.iter().find(|peer| peer.of == it.name);
            links.push([
                it.name.clone(),
                if it.up { "up" } else { "down" }.to_owned(),
                addresses.join("\n"),
                it.hardware.clone().unwrap_or_default(),
                peer.map_or_else(String::new, |peer| match &peer.bridge {
                    Some(bridge) => format!("{} in bridge {bridge}", peer.name),
                    None => peer.name.clone(),
                }),
            ]);
        }
        let mut routes = Table::new(["packets to", "go to", "by"]);
        for it in &self.routes {
            let to = it.to.map_or_else(|| "anywhere else".to_owned(), |it| it.to_string());
            let gateway = it.gateway.map_or_else(|| "themselves".to_owned(), |it| it.to_string());
            routes.push([to, gateway, it.interface.clone().unwrap_or_default()]);
        }
        match self.routes.is_empty() {
            true => vec![links],
            false => vec![links, routes],
        }
    }
}
