//! Firewall: the program that hands our rules to the kernel's netfilter.
//!
//! nft(8) where there is one. Rules of iptables(8) and of nft are asked one after the other, and who
//! drops wins; so where iptables forwards nothing by default, as on a machine with Docker, only a
//! rule in *its* chain lets our packets through, and iptables it is.

use std::{
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use ground::{Error, Result};
use nix::unistd::{AccessFlags, access};

use super::{
    ledger::{Firewall, Rules},
    nf_tables::NfTables,
    parting::Parting,
    rules::Plan,
};
use crate::sys;

/// Which program to use on this machine.
///
/// # Errors
/// When there is none.
pub fn find() -> Result<Firewall> {
    let is_program = |dir: PathBuf| access(&dir.join("nft"), AccessFlags::X_OK).is_ok();
    let has_nft = std::env::split_paths(&path()).any(is_program);
    // The older kind of tables is not nft's to see (man 8 xtables-legacy).
    let older = std::fs::read_to_string("/proc/thread-self/net/ip_tables_names");
    let older = older.is_ok_and(|names| names.lines().any(|name| name == "filter"));
    // The newer kind is nf_tables, in tables that are called as the older ones were.
    let nothing_passes = NfTables::here().is_ok_and(|kernel| kernel.drops("filter", "FORWARD"));
    if has_nft && !older && !nothing_passes {
        return Ok(Firewall::Nft);
    }
    match output("iptables", &["-w", "-S", "FORWARD"]) {
        Ok(_) => Ok(Firewall::Iptables),
        Err(_) if has_nft => Ok(Firewall::Nft),
        Err(error) => Err(error.report().fix(
            "install nftables (apt-get install nftables) or iptables; or do without: \
             --network none, --network host, or a network made with --internal",
        )),
    }
}

/// The text that `program` would be given.
pub fn rules(program: Firewall, plan: &Plan<'_>) -> Rules {
    match program {
        Firewall::Nft => plan.nft(),
        Firewall::Iptables => plan.iptables(false) + &plan.iptables(true),
    }
}

/// A program that reads our rules, while we do something else.
#[derive(Debug)]
#[must_use = "the rules are not there before it has been waited for"]
pub struct Applied {
    reads: Option<Fed>,
    /// What it reads then, where rules of ours are there although nobody knows of them.
    if_refused: Option<Rules>,
}

impl Applied {
    /// Nothing had to be done.
    pub const ALREADY: Self = Self { reads: None, if_refused: None };

    /// Waits until the rules are there.
    ///
    /// # Errors
    /// What the program said.
    pub fn wait(self) -> Result<()> {
        match (self.reads.map_or(Ok(()), Fed::wait), self.if_refused) {
            (Err(_), Some(rules)) => feed(NFT.0, &NFT.1, &rules),
            (read, _) => read,
        }
    }
}

/// nft(8) and the words that let it read.
const NFT: (&str, [&str; 2]) = ("nft", ["-f", "-"]);

/// Replaces our rules; `first` where there are none of ours yet.
///
/// # Errors
/// What the program said, as long as it was waited for here.
pub fn apply(program: Firewall, plan: &Plan<'_>, first: bool) -> Result<Applied> {
    if program == Firewall::Iptables {
        return apply_iptables(plan, first).map(|()| Applied::ALREADY);
    }
    let rules = if first { plan.nft_first() } else { plan.nft() };
    let reads = Some(begin_to_feed(NFT.0, &NFT.1, &rules)?);
    Ok(Applied { reads, if_refused: first.then(|| plan.nft()) })
}

fn apply_iptables(plan: &Plan<'_>, first: bool) -> Result<()> {
    for (ipv6, [tables, restore]) in FAMILIES {
        // A kernel without IPv6 has no such tables, and nothing to be filtered there.
        if ipv6 && output(tables, &["-w", "-S", "FORWARD"]).is_err() {
            continue;
        }
        if first {
            remove_iptables(tables, plan);
        }
        feed(restore, &["-w", "--noflush"], &plan.iptables(ipv6))?;
        if first {
            for (table, how, words) in jumps(plan, ipv6) {
                let [chain, rest @ ..] = words.as_slice() else { continue };
                let mut args = vec!["-w", "-t", table, how, chain];
                args.extend(rest.iter().map(String::as_str));
                output(tables, &args).map_err(Failed::report)?;
            }
        }
    }
    Ok(())
}

/// Takes all our rules away; fine when there are none.
///
/// # Errors
/// When it cannot even be begun.
pub fn remove(program: Firewall, plan: &Plan<'_>) -> Result<Option<Parting>> {
    if program == Firewall::Nft {
        let table = plan.table();
        return Parting::begin(move |tell| remove_table(&table, tell), || false).map(Some);
    }
    for (_, [tables, _]) in FAMILIES {
        remove_iptables(tables, plan);
    }
    Ok(None)
}

fn remove_table(table: &str, tell: &dyn Fn(Result<()>)) {
    let refused = |errno| {
        Error::new("cannot take our rules away")
            .call("NFT_MSG_DELTABLE", errno)
            .fix(format!("as root: nft delete table inet {table}"))
    };
    match NfTables::here() {
        // Told before the socket is closed: that takes its time.
        Ok(kernel) => tell(kernel.delete_table(table).map_err(refused)),
        Err(errno) => tell(Err(refused(errno))),
    }
}

const FAMILIES: [(bool, [&str; 2]); 2] =
    [(false, ["iptables", "iptables-restore"]), (true, ["ip6tables", "ip6tables-restore"])];

/// The rules in the chains of others that lead to ours: the table, whether it comes first (-I) or last
/// (-A), the rule.
fn jumps(plan: &Plan<'_>, ipv6: bool) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let [ports, post, forward, nothing_else] = plan.chains();
    let loopback = if ipv6 { "::1/128" } else { "127.0.0.0/8" };
    let words = |text: String| text.split(' ').map(str::to_owned).collect();
    vec![
        ("nat", "-I", words(format!("PREROUTING -m addrtype --dst-type LOCAL -j {ports}"))),
        (
            "nat",
            "-I",
            words(format!("OUTPUT ! -d {loopback} -m addrtype --dst-type LOCAL -j {ports}")),
        ),
        ("nat", "-I", words(format!("POSTROUTING -j {post}"))),
        ("filter", "-I", words(format!("FORWARD -j {forward}"))),
        ("filter", "-A", words(format!("FORWARD -j {nothing_else}"))),
    ]
}

/// What is not there cannot be taken away, and that is fine.
fn remove_iptables(tables: &str, plan: &Plan<'_>) {
    for (table, _, words) in jumps(plan, tables.starts_with("ip6")) {
        let mut args = vec!["-w", "-t", table, "-D"];
        args.extend(words.iter().map(String::as_str));
        let _ = output(tables, &args);
    }
    let [ports, post, forward, nothing_else] = plan.chains();
    let filter = [("filter", &forward), ("filter", &nothing_else)];
    for (table, chain) in [("nat", &ports), ("nat", &post)].into_iter().chain(filter) {
        for what in ["-F", "-X"] {
            let _ = output(tables, &["-w", "-t", table, what, chain]);
        }
    }
}

/// A program that was given a text to read.
#[derive(Debug)]
struct Fed {
    program: &'static str,
    child: Child,
    written: std::io::Result<()>,
}

fn feed(program: &'static str, args: &[&str], text: &str) -> Result<()> {
    begin_to_feed(program, args, text)?.wait()
}

fn begin_to_feed(program: &'static str, args: &[&str], text: &str) -> Result<Fed> {
    let mut command = command(program);
    let started = command.args(args).stdin(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| not_started(program, &error).report())?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()));
    Ok(Fed { program, child, written })
}

impl Fed {
    fn wait(self) -> Result<()> {
        let output = self.child.wait_with_output();
        let output = output.map_err(|error| not_started(self.program, &error).report())?;
        if output.status.success() && self.written.is_ok() {
            return Ok(());
        }
        Err(refused(self.program, &output.stderr).report())
    }
}

fn not_started(program: &str, error: &std::io::Error) -> Failed {
    Failed::NotStarted(format!("execute {program}: {error}"))
}

fn output(program: &str, args: &[&str]) -> Result<String, Failed> {
    let output = command(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| not_started(program, &error))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(refused(program, &output.stderr)),
    }
}

/// Where these programs lie is not in everybody's PATH.
fn path() -> String {
    format!("/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap_or_default())
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", path());
    // What it would do later than us, it might do later than the next command as well.
    sys::dies_with_parent(&mut command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Why a program did not do it.
#[derive(Debug)]
enum Failed {
    /// It is not there.
    NotStarted(String),
    /// It said so.
    Refused(String),
}

impl Failed {
    fn report(self) -> Error {
        let error = Error::new("cannot set up network address translation");
        match self {
            Self::NotStarted(why) => {
                error.why(why).fix("install nftables (apt-get install nftables) or iptables")
            }
            Self::Refused(why) => error.why(why).fix(
                "run as root; the kernel needs nf_tables or ip_tables with NAT (modprobe nf_nat)",
            ),
        }
    }
}

fn refused(program: &str, said: &[u8]) -> Failed {
    let said = String::from_utf8_lossy(said);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
    Failed::Refused(format!("{program}: {first}"))
}

/// In the namespace that this thread is in, which is a container's: leads questions for names to
/// the port that a resolver got. Goes with the namespace.
///
/// # Errors
/// What the programs said.
pub(super) fn lead_names(from: std::net::SocketAddr, port: u16) -> Result<()> {
    let (ip, domain) = (from.ip(), from.port());
    // Before what is there: a resolver that was killed has left its rules, which lead nowhere.
    let nft_rule = |protocol: &str| {
        format!(
            "insert rule ip mini-docker-names output ip daddr {ip} {protocol} dport {domain} dnat to {ip}:{port}\n"
        )
    };
    let nft = format!(
        "add table ip mini-docker-names\n\
         add chain ip mini-docker-names output {{ type nat hook output priority -100; }}\n{}{}",
        nft_rule("udp"),
        nft_rule("tcp"),
    );
    if feed(NFT.0, &NFT.1, &nft).is_ok() {
        return Ok(());
    }
    let rule = |protocol: &str| {
        format!(
            "-I OUTPUT -d {ip}/32 -p {protocol} -m {protocol} --dport {domain} -j DNAT \
             --to-destination {ip}:{port}\n"
        )
    };
    let rules = format!("*nat\n{}{}COMMIT\n", rule("udp"), rule("tcp"));
    feed("iptables-restore", &["-w", "--noflush"], &rules)
}
