//! Processes: a container is processes of this machine that have a second number.
//!
//! `NSpid` in `/proc/PID/status` has the number of a process in each PID namespace that it is seen
//! in, from ours inwards (man 5 proc_pid_status, man 7 pid_namespaces).

use ground::{Error, Result, Table};
use namespaces::IdMaps;
use nix::unistd::{Pid, Uid, User};
use procfs::process::Process as Proc;
use serde::Serialize;

use super::machine::Members;

/// All processes of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Processes {
    /// How they were found.
    pub known_by: String,
    /// Parents before their children.
    pub list: Vec<Process>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number here.
    pub pid: i32,
    /// Its number in the container's PID namespace.
    pub pid_inside: Option<i32>,
    /// The number here of its parent, which may be outside of the container.
    pub parent: i32,
    /// How many of its ancestors are in the container.
    pub depth: usize,
    /// Its effective user here.
    pub uid: u32,
    /// The same user in the container's user namespace; `None` if it has no number there.
    pub uid_inside: Option<u32>,
    /// The user's name here.
    pub user: String,
    /// How many threads it has.
    pub threads: u64,
    /// `S`: it sleeps; `R`, `D`, `T`, `Z` (man 5 proc_pid_stat).
    pub state: char,
    /// Its command line, or its name in brackets.
    pub command: String,
}

/// Looks at the processes of a container; `first` is in it.
///
/// # Errors
/// When `first` cannot be read. Others may end meanwhile, and are left out.
pub fn look(first: Pid, members: &Members) -> Result<Processes> {
    let maps = IdMaps::of(first).ok();
    let level = status(first.as_raw())?.nspid.map_or(1, |all| all.len()) - 1;
    let read = |pid: &i32| process(*pid, level, maps.as_ref());
    let found: Vec<Process> = members.pids.iter().filter_map(read).collect();
    Ok(Processes { known_by: members.known_by.clone(), list: in_order(found) })
}

/// `/proc/PID/status`, which everybody may read.
pub(super) fn status(pid: i32) -> Result<procfs::process::Status> {
    Proc::new(pid).and_then(|it| it.status()).map_err(|error| {
        Error::new(format!("cannot see process {pid}"))
            .why(format!("read /proc/{pid}/status: {error}"))
            .see("5 proc_pid_status")
            .fix("it has ended, or /proc is mounted with hidepid=: look as root")
    })
}

fn process(pid: i32, level: usize, maps: Option<&IdMaps>) -> Option<Process> {
    let status = status(pid).ok()?;
    let words = Proc::new(pid).and_then(|it| it.cmdline()).unwrap_or_default().join(" ");
    let command = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = User::from_uid(Uid::from_raw(status.euid)).ok().flatten();
    Some(Process {
        pid,
        pid_inside: status.nspid.and_then(|all| all.get(level).copied()),
        parent: status.ppid,
        depth: 0,
        uid: status.euid,
        uid_inside: maps.and_then(|maps| inside(&maps.uids, status.euid)),
        user: name.map_or_else(|| status.euid.to_string(), |it| it.name),
        threads: status.threads,
        state: status.state.chars().next().unwrap_or('?'),
        command: if command.is_empty() { format!("[{}]", status.name) } else { command },
    })
}

/// An id of ours as it is seen inside.
pub(super) fn inside(ranges: &[namespaces::Range], id: u32) -> Option<u32> {
    ranges.iter().find_map(|range| {
        let distance = id.checked_sub(range.outside)?;
        (distance < range.count).then(|| range.inside + distance)
    })
}

/// Parents first, each followed by its descendants.
fn in_order(found: Vec<Process>) -> Vec<Process> {
    let is_in = |pid: i32| found.iter().any(|it| it.pid == pid);
    let tops = found.iter().filter(|it| !is_in(it.parent));
    let mut waiting: Vec<(usize, &Process)> = tops.rev().map(|it| (0, it)).collect();
    let mut list = Vec::new();
    while let Some((depth, process)) = waiting.pop() {
        list.push(Process { depth, ..process.clone() });
        let children = found.iter().rev().filter(|it| it.parent == process.pid);
        waiting.extend(children.map(|it| (depth + 1, it)));
    }
    list
}

impl Processes {
    /// In words; `asked` is the process that was asked for.
    pub(super) fn told(&self, asked: i32) -> (Vec<Table>, Vec<String>) {
        let mut table =
            Table::new(["pid", "inside", "user", "inside it is", "threads", "state", "command"]);
        let number =
            |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
        for it in &self.list {
            let branch = if it.depth == 0 {
                String::new()
            } else {
                format!("{}└─ ", "   ".repeat(it.depth - 1))
            };
            table.push([
                it.pid.to_string(),
                it.pid_inside.map_or_else(|| "-".to_owned(), |it| it.to_string()),
                it.user.clone(),
                number(it.uid_inside),
                it.threads.to_string(),
                it.state.to_string(),
                format!("{branch}{}", cut(&it.command)),
            ]);
        }
        let mut words = vec![format!("known by {}", self.known_by)];
        words.extend(self.list.iter().find(|it| it.pid == asked).and_then(second_number));
        (vec![table], words)
    }
}

fn second_number(process: &Process) -> Option<String> {
    let inside = process.pid_inside.filter(|inside| *inside != process.pid)?;
    Some(format!("pid {} of this machine is pid {inside} in there", process.pid))
}

/// The beginning of a command; `--json` has the whole one.
fn cut(command: &str) -> String {
    const WIDTH: usize = 48;
    match command.chars().count() <= WIDTH {
        true => command.to_owned(),
        false => command.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process {
            pid,
            pid_inside: Some(1),
            parent,
            depth: 0,
            uid: 0,
            uid_inside: Some(0),
            user: "root".into(),
            threads: 1,
            state: 'S',
            command: "sh".into(),
        }
    }

    #[test]
    fn children_follow_their_parents() {
        let list = in_order(vec![
            process(5, 9),
            process(7, 1),
            process(8, 7),
            process(9, 8),
            process(3, 7),
        ]);
        let order: Vec<_> = list.iter().map(|it| (it.pid, it.depth)).collect();
        assert_eq!(order, [(7, 0), (8, 1), (9, 2), (5, 3), (3, 1)]);
    }

    #[test]
    fn an_id_outside_is_another_inside() {
        let ranges = [
            namespaces::Range { inside: 0, outside: 1000, count: 1 },
            namespaces::Range { inside: 1, outside: 100_000, count: 65_536 },
        ];
        assert_eq!(inside(&ranges, 1000), Some(0));
        assert_eq!(inside(&ranges, 100_032), Some(33));
        assert_eq!(inside(&ranges, 0), None);
    }
}
