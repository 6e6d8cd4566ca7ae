//! The processes a test is answerable for: those that carry its mark, and their descendants.
//!
//! The mark is the variable `UNBOXED_TEST` of the environment, as proc_pid_environ(5) shows it. It
//! outlives every new session, namespace and parent, and only a program that clears its
//! environment loses it; such a one is found through its parents.

use std::{collections::BTreeMap, fs, thread};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The variable that marks what a test started.
pub const MARK: &str = "UNBOXED_TEST";

/// The names of our own programs; a process without a mark is ours if it starts with one.
pub const OUR_NAMES: [&str; 3] = ["lab-", "mini-", "unboxed"];

/// The mark of the running test: this process, and the name the harness gives the test's thread.
pub fn own_mark() -> String {
    let test = thread::current().name().unwrap_or("test").replace('\0', "");
    format!("{}.{test}", std::process::id())
}

/// A process that is not a zombie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its `comm`, at most 15 bytes.
    pub name: String,
    /// The mark in its own environment.
    pub mark: Option<String>,
}

/// All processes that can be seen, without zombies: those are their parents' to reap.
pub fn all() -> BTreeMap<i32, Process> {
    let Ok(proc) = fs::read_dir("/proc") else { return BTreeMap::new() };
    proc.flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read(pid)?)))
        .collect()
}

fn read(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // pid (comm) state ppid ..: the name may hold anything, so from its last parenthesis.
    let (head, tail) = stat.rsplit_once(')')?;
    let mut fields = tail.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let name = head.split_once('(')?.1.to_owned();
    Some(Process { pid, parent, name, mark: mark_of(pid) })
}

fn mark_of(pid: i32) -> Option<String> {
    // EACCES for a process that is not ours to look at: then it has no mark of ours either.
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environ
        .split(|&byte| byte == 0)
        .find_map(|variable| variable.strip_prefix(format!("{MARK}=").as_bytes()))
        .map(|mark| String::from_utf8_lossy(mark).into_owned())
}

/// The mark of a process: its own, or the one of its nearest marked ancestor.
pub fn mark(processes: &BTreeMap<i32, Process>, pid: i32) -> Option<&str> {
    let mut next = processes.get(&pid);
    while let Some(process) = next {
        if let Some(mark) = &process.mark {
            return Some(mark);
        }
        next = processes.get(&process.parent);
    }
    None
}

/// The processes with this mark.
pub fn marked(mark_wanted: &str) -> Vec<Process> {
    let processes = all();
    let with_mark = |pid: &i32| mark(&processes, *pid) == Some(mark_wanted);
    processes.keys().filter(|pid| with_mark(pid)).map(|pid| processes[pid].clone()).collect()
}

/// Sends a signal to all processes with this mark; those that are gone already do not count.
pub fn signal_marked(mark: &str, signal: Signal) {
    for process in marked(mark) {
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
}
