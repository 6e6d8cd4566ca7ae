//! Rules: the ledger as a table for nft(8), or as chains for iptables(8). Pure.
//!
//! The whole table is written anew from the ledger and replaced in one step: there is no rule that
//! could be forgotten.
//!
//! | chain | what it does |
//! |---|---|
//! | prerouting, output | a published port of this host becomes the container's address (DNAT) |
//! | postrouting | what leaves a bridge gets the host's address (masquerade) |
//! | forward | containers may go out, into their own bridge, and nobody in but by a published port |
//!
//! A packet has to pass the forward chains of all tables of nft, and only the first rule of iptables
//! that fits it. So nft's last rule leaves the bridges of other stores alone, and the last one for
//! iptables comes after everybody else's.

use std::{collections::BTreeSet, fmt::Write as _, net::IpAddr};

use super::{
    ledger::{Ledger, Network, Rules},
    link::GROUP,
};

/// What rules are made of.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Whose they are: part of the name of the table or the chains.
    pub tag: &'a str,
    /// What they are about.
    pub ledger: &'a Ledger,
    /// Whether this machine forwarded nothing before us, and so is to forward nothing else now.
    pub nothing_else: bool,
}

impl Plan<'_> {
    /// The networks that somebody is in.
    fn networks(&self) -> impl Iterator<Item = &Network> {
        let used: BTreeSet<&str> =
            self.ledger.endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect();
        self.ledger.networks.iter().filter(move |network| used.contains(network.id.as_str()))
    }

    /// The name of our table.
    pub fn table(&self) -> String {
        format!("mini-docker-{}", self.tag)
    }

    /// What nft(8) reads with `-f`: replaces our table in one transaction.
    pub fn nft(&self) -> Rules {
        let table = self.table();
        format!("table inet {table} {{}}\ndelete table inet {table}\n") + &self.nft_table()
    }

    /// The same where there is none yet; refused where there is one. Nothing is taken away, and so
    /// there is no packet that the kernel has to wait for.
    pub fn nft_first(&self) -> Rules {
        format!("create table inet {}\n", self.table()) + &self.nft_table()
    }

    fn nft_table(&self) -> Rules {
        let mut text = format!("table inet {} {{\n", self.table());
        self.nft_ports(&mut text);
        self.nft_postrouting(&mut text);
        self.nft_forward(&mut text);
        text.push_str("}\n");
        text
    }

    fn nft_ports(&self, text: &mut String) {
        text.push_str(
            "  chain prerouting {\n    type nat hook prerouting priority dstnat\n    \
             fib daddr type local jump ports\n  }\n  \
             chain output {\n    type nat hook output priority -100\n    \
             ip daddr 127.0.0.0/8 return\n    ip6 daddr ::1 return\n    \
             fib daddr type local jump ports\n  }\n  chain ports {\n",
        );
        for port in self.ports() {
            let lead = &port.lead;
            let (ip, to) = match port.target {
                IpAddr::V4(target) => ("ip", format!("{target}:{}", lead.port.number)),
                IpAddr::V6(target) => ("ip6", format!("[{target}]:{}", lead.port.number)),
            };
            let family = if ip == "ip" { "ipv4" } else { "ipv6" };
            let only = match lead.host_ip.is_unspecified() {
                true => format!("meta nfproto {family}"),
                false => format!("{ip} daddr {}", lead.host_ip),
            };
            let protocol = lead.port.protocol;
            let _ =
                writeln!(text, "    {only} {protocol} dport {} dnat {ip} to {to}", lead.host_port);
        }
        text.push_str("  }\n");
    }

    fn nft_postrouting(&self, text: &mut String) {
        text.push_str("  chain postrouting {\n    type nat hook postrouting priority srcnat\n");
        for network in self.networks().filter(|network| network.masquerades()) {
            for pool in &network.pools {
                let ip = if pool.subnet.addr().is_ipv4() { "ip" } else { "ip6" };
                let _ = writeln!(
                    text,
                    "    {ip} saddr {} oifname != \"{}\" masquerade",
                    pool.subnet, network.bridge
                );
            }
        }
        // Whoever asks for its own published port must not see its own address as the asker's.
        for (ip, target) in self.targets() {
            let _ = writeln!(text, "    {ip} saddr {target} {ip} daddr {target} masquerade");
        }
        text.push_str("  }\n");
    }

    fn nft_forward(&self, text: &mut String) {
        text.push_str("  chain forward {\n    type filter hook forward priority filter\n");
        for bridge in self.networks().filter(|it| it.internal).map(|it| &it.bridge) {
            let _ = writeln!(text, "    iifname \"{bridge}\" oifname != \"{bridge}\" drop");
            let _ = writeln!(text, "    oifname \"{bridge}\" iifname != \"{bridge}\" drop");
        }
        for network in self.networks() {
            let bridge = &network.bridge;
            let verdict = if network.connects_containers() { "accept" } else { "drop" };
            let _ = writeln!(text, "    iifname \"{bridge}\" oifname \"{bridge}\" {verdict}");
        }
        text.push_str("    ct state established,related accept\n");
        for bridge in self.networks().map(|it| &it.bridge) {
            let _ = writeln!(text, "    oifname \"{bridge}\" ct status dnat accept");
            let _ = writeln!(text, "    oifname \"{bridge}\" drop");
        }
        for bridge in self.networks().map(|it| &it.bridge) {
            let _ = writeln!(text, "    iifname \"{bridge}\" accept");
        }
        if self.nothing_else {
            // Bridges of another store, whose own rules say what may pass there.
            let _ = writeln!(
                text,
                "    iifgroup {GROUP} accept\n    oifgroup {GROUP} accept\n    drop"
            );
        }
        text.push_str("  }\n");
    }

    /// The ports that the kernel leads on. One of another family than the container's address is
    /// the porter's, and so is the loopback interface: it has no way to another one. A container that
    /// is carried is in no network of ours.
    fn ports(&self) -> impl Iterator<Item = &super::publish::Published> {
        self.ledger.published.iter().filter(|port| {
            port.lead.host_ip.is_ipv4() == port.target.is_ipv4()
                && !port.lead.host_ip.is_loopback()
                && !self.ledger.carried.contains_key(&port.container)
        })
    }

    fn targets(&self) -> BTreeSet<(&'static str, IpAddr)> {
        let ip = |target: IpAddr| if target.is_ipv4() { "ip" } else { "ip6" };
        self.ports().map(|port| (ip(port.target), port.target)).collect()
    }

    /// The names of our chains for iptables(8), which has at most 28 letters for one.
    pub fn chains(&self) -> [String; 4] {
        ["PORTS", "POST", "FWD", "ELSE"].map(|name| format!("MD-{}-{name}", self.tag))
    }

    /// What iptables-restore(8) or ip6tables-restore(8) reads with `--noflush`: replaces our chains.
    pub fn iptables(&self, ipv6: bool) -> Rules {
        let [ports, post, forward, nothing_else] = self.chains();
        let mut text = format!("*nat\n:{ports} - [0:0]\n:{post} - [0:0]\n");
        for port in self.ports().filter(|port| port.target.is_ipv6() == ipv6) {
            let lead = &port.lead;
            let only = match lead.host_ip.is_unspecified() {
                true => String::new(),
                false => format!("-d {} ", lead.host_ip),
            };
            let to = std::net::SocketAddr::new(port.target, lead.port.number);
            let protocol = lead.port.protocol;
            let _ = writeln!(
                text,
                "-A {ports} {only}-p {protocol} -m {protocol} --dport {} -j DNAT --to-destination {to}",
                lead.host_port
            );
        }
        for network in self.networks().filter(|network| network.masquerades()) {
            if let Some(pool) = network.pool(ipv6) {
                let (subnet, bridge) = (pool.subnet, &network.bridge);
                let _ = writeln!(text, "-A {post} -s {subnet} ! -o {bridge} -j MASQUERADE");
            }
        }
        for (_, target) in self.targets().iter().filter(|(_, target)| target.is_ipv6() == ipv6) {
            let _ = writeln!(text, "-A {post} -s {target} -d {target} -j MASQUERADE");
        }
        let _ = writeln!(text, "COMMIT\n*filter\n:{forward} - [0:0]\n:{nothing_else} - [0:0]");
        self.iptables_forward(&mut text, &forward);
        if self.nothing_else {
            let _ = writeln!(text, "-A {nothing_else} -j DROP");
        }
        text.push_str("COMMIT\n");
        text
    }

    fn iptables_forward(&self, text: &mut String, chain: &str) {
        for bridge in self.networks().filter(|it| it.internal).map(|it| &it.bridge) {
            let _ = writeln!(text, "-A {chain} -i {bridge} ! -o {bridge} -j DROP");
            let _ = writeln!(text, "-A {chain} ! -i {bridge} -o {bridge} -j DROP");
        }
        for network in self.networks() {
            let bridge = &network.bridge;
            let verdict = if network.connects_containers() { "ACCEPT" } else { "DROP" };
            let _ = writeln!(text, "-A {chain} -i {bridge} -o {bridge} -j {verdict}");
        }
        let bridges: Vec<_> = self.networks().map(|it| &it.bridge).collect();
        for bridge in &bridges {
            for way in ["-i", "-o"] {
                let _ = writeln!(
                    text,
                    "-A {chain} {way} {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
                );
            }
        }
        for bridge in &bridges {
            let _ = writeln!(text, "-A {chain} -o {bridge} -m conntrack --ctstate DNAT -j ACCEPT");
            let _ = writeln!(text, "-A {chain} -o {bridge} -j DROP");
        }
        for bridge in &bridges {
            let _ = writeln!(text, "-A {chain} -i {bridge} -j ACCEPT");
        }
    }
}
