//! Namespaces: what a container has for itself, and with whom it shares the rest.
//!
//! Two processes share a namespace when their links under `/proc/PID/ns` lead to the same inode (man
//! 7 namespaces). A pod is nothing else: containers that share some kinds and not others.

use std::collections::BTreeMap;

use ground::{Error, Result, Table};
use namespaces::{
    Id, Kind,
    census::{self, Census, Held},
};
use nix::unistd::Pid;
use procfs::process::Process;
use serde::Serialize;

use super::machine::Machine;

/// The namespaces of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespaces {
    /// A row for each kind that the kernel has.
    pub kinds: Vec<Namespace>,
    /// How many processes of the machine could not be asked for theirs.
    pub hidden_processes: usize,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// `mnt`, `pid`, `net`, ..
    pub kind: &'static str,
    /// The number that it is known by.
    pub inode: u64,
    /// What it isolates.
    pub isolates: &'static str,
    /// Whether it is the one that this program runs in as well: then nothing is isolated from us.
    pub ours: bool,
    /// How many processes are in it.
    pub processes: usize,
    /// Who else is in it, unless it is ours: containers, and processes of none.
    pub shared_with: Vec<Sharer>,
    /// The user namespace that owns it: who has a capability there has it over this one.
    pub owner: Option<u64>,
}

/// Somebody who shares a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sharer {
    /// The container, or the command of a process in none.
    pub who: String,
    /// The ID of the container.
    pub container: Option<String>,
    /// The processes, by their numbers here.
    pub pids: Vec<i32>,
}

/// Looks at the namespaces of `pid`; `members` are the processes that are not others.
///
/// # Errors
/// EACCES when we may not look at the process (man 2 ptrace).
pub fn look(pid: Pid, members: &[i32], machine: &Machine) -> Result<Namespaces> {
    let census = census::take()?;
    let mut kinds = Vec::new();
    for kind in Kind::ALL {
        let Ok(own) = Id::own(kind) else { continue };
        let id = Id::of(pid, kind).map_err(|error| hidden(pid, error))?;
        kinds.push(namespace(pid, (id, id == own), members, (&census, machine)));
    }
    Ok(Namespaces { kinds, hidden_processes: census.hidden.len() })
}

fn hidden(pid: Pid, error: Error) -> Error {
    Error { what: format!("cannot see the namespaces of process {pid}"), ..error }
}

fn namespace(
    pid: Pid,
    (id, ours): (Id, bool),
    members: &[i32],
    (census, machine): (&Census, &Machine),
) -> Namespace {
    let all = census.namespaces.iter().find(|found| found.id == id);
    let all: Vec<i32> =
        all.map(|it| it.pids.iter().map(|it| it.as_raw()).collect()).unwrap_or_default();
    let others = all.iter().filter(|pid| !ours && !members.contains(pid));
    let owner = Held::of(pid, id.kind).and_then(|it| it.owner()).ok().flatten();
    Namespace {
        kind: id.kind.name(),
        inode: id.ino,
        isolates: id.kind.isolates(),
        ours,
        processes: all.len(),
        shared_with: sharers(others.copied(), machine),
        owner: owner.and_then(|it| it.id().ok()).map(|it| it.ino),
    }
}

fn sharers(pids: impl Iterator<Item = i32>, machine: &Machine) -> Vec<Sharer> {
    let mut found: BTreeMap<String, Sharer> = BTreeMap::new();
    for pid in pids {
        let container = machine.container_of(pid);
        let who = container.map_or_else(|| name(pid), ToString::to_string);
        let id = container.map(|it| it.id.clone());
        let empty = || Sharer { who: who.clone(), container: id, pids: Vec::new() };
        found.entry(who.clone()).or_insert_with(empty).pids.push(pid);
    }
    found.into_values().collect()
}

fn name(pid: i32) -> String {
    let name = Process::new(pid).and_then(|it| it.stat()).map(|it| it.comm);
    name.map_or_else(|_| "?".to_owned(), |name| format!("[{name}]"))
}

impl Namespaces {
    pub(super) fn told(&self) -> (Vec<Table>, Vec<String>) {
        let mut table =
            Table::new(["kind", "inode", "isolates", "ours too", "processes", "shared with"]);
        for it in &self.kinds {
            let who: Vec<_> = it.shared_with.iter().map(|it| it.who.as_str()).collect();
            table.push([
                it.kind.to_owned(),
                it.inode.to_string(),
                it.isolates.to_owned(),
                if it.ours { "yes" } else { "no" }.to_owned(),
                // What is the machine's is everybody's: their number says nothing of the container.
                if it.ours { String::new() } else { it.processes.to_string() },
                if it.ours { "the machine".to_owned() } else { who.join(", ") },
            ]);
        }
        (vec![table], self.words())
    }

    fn words(&self) -> Vec<String> {
        let of = |ours: bool| -> Vec<&str> {
            self.kinds.iter().filter(|it| it.ours == ours).map(|it| it.kind).collect()
        };
        let (own, ours) = (of(false), of(true));
        let mut words = vec![match own.is_empty() {
            true => "nothing is isolated: all namespaces are those that we are in".to_owned(),
            false => format!("its own: {}; the same as ours: {}", list(&own), list(&ours)),
        }];
        for (who, kinds) in self.partners() {
            words.push(format!("{who} shares {} with it", kinds.join(", ")));
        }
        if let Some(hidden) = self.hidden() {
            words.push(hidden);
        }
        words
    }

    /// A process may look at those that have no more power than itself (man 2 ptrace), which even
    /// root does not always have.
    fn hidden(&self) -> Option<String> {
        let (who, they) = match self.hidden_processes {
            0 => return None,
            1 => ("1 process".to_owned(), "it shares"),
            many => (format!("{many} processes"), "they share"),
        };
        Some(format!("{who} with more power than we have could not be asked whether {they} one"))
    }

    /// The containers that share something, each with the kinds.
    fn partners(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for kind in &self.kinds {
            for it in kind.shared_with.iter().filter(|it| it.container.is_some()) {
                found.entry(&it.who).or_default().push(kind.kind);
            }
        }
        found
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_is_said_with_the_kinds() {
        let namespace = |kind, ours, who: &[&str]| Namespace {
            kind,
            inode: 7,
            isolates: "",
            ours,
            processes: 1,
            shared_with: who
                .iter()
                .map(|who| Sharer {
                    who: (*who).into(),
                    container: Some("a".into()),
                    pids: vec![1],
                })
                .collect(),
            owner: None,
        };
        let kinds = vec![
            namespace("net", false, &["b"]),
            namespace("ipc", false, &["b"]),
            namespace("time", true, &[]),
        ];
        let words = Namespaces { kinds, hidden_processes: 0 }.words();
        assert_eq!(
            words,
            ["its own: net, ipc; the same as ours: time", "b shares net, ipc with it"]
        );
    }
}
