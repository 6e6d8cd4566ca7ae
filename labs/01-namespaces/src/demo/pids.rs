//! PID namespaces: one process, as many PIDs as there are namespaces around it.

use std::fs;

use ground::{Error, Evidence, Outcome, Result, Scene, Table};
use namespaces::{
    Kind, Kinds, Spawn,
    steps::{MountProc, PrivateMounts},
};
use nix::unistd::Pid;

use super::{
    Stage, check, with,
    witness::{look, start, status},
};
use crate::args::Role;

/// Claim N01.
pub fn two_numbers() -> Result<Scene<Stage>> {
    let spawn = Spawn::new(Kinds::of([Kind::Pid]));
    let what = "A child gets process ids of its own; both sides are asked for its PID.";
    Ok(Scene::new(what, spawn.explain(), act_two_numbers))
}

fn act_two_numbers(_: &mut Stage) -> Result<Outcome> {
    with(look(Spawn::new(Kinds::of([Kind::Pid]))), |witness| {
        let numbers = numbers(witness.pid())?;
        let [outside, inside] = numbers.as_slice() else {
            return Err(strange(&numbers));
        };
        check(*outside == witness.pid().to_string(), "the first number of NSpid is ours")?;
        check(inside == witness.fact("pid"), "the last number of NSpid is its own")?;
        let table = Table::new(["asked", "pid"])
            .title("one process")
            .row(["clone3(2) told us", &witness.pid().to_string()])
            .row(["getpid(2) inside", witness.fact("pid")])
            .row(["getppid(2) inside", witness.fact("ppid")])
            .row(["NSpid in its status, first", outside])
            .row(["NSpid in its status, last", inside]);
        check(witness.fact("ppid") == "0", "a parent without a number shows as 0")?;
        let follows = "It is an ordinary process with two numbers, one for us and one for itself. \
                       Its parent has none in there, and shows as 0.";
        Ok(Evidence::new(follows).table(table).into())
    })
}

/// Claim N03.
pub fn nested() -> Result<Scene<Stage>> {
    let what = "The child makes a child in a PID namespace below; each mounts its /proc.";
    Ok(Scene::new(what, below().explain(), act_nested))
}

fn below() -> Spawn<'static> {
    Spawn::new(Kinds::of([Kind::Pid, Kind::Mount])).step(PrivateMounts).step(MountProc)
}

fn act_nested(_: &mut Stage) -> Result<Outcome> {
    with(start(Role::Parent, below()), |child| {
        let grandchild = child_of(child.pid())?;
        let (child_is, grandchild_is) = (numbers(child.pid())?, numbers(grandchild)?);
        let ([c0, c1], [g0, g1, g2]) = (child_is.as_slice(), grandchild_is.as_slice()) else {
            return Err(strange(&grandchild_is));
        };
        check(g1 == child.fact("child"), "the child sees the grandchild under its second number")?;
        let (child_sees, grandchild_sees) = (seen_by(child.pid())?, seen_by(grandchild)?);
        check(child_sees == [c1.as_str(), g1.as_str()], "the child sees itself and what is below")?;
        check(grandchild_sees == [g2.as_str()], "the grandchild sees itself")?;
        let numbers = Table::new(["process", "pid for us", "pid for child", "pid for grandchild"])
            .title("NSpid in /proc/PID/status")
            .row(["we", &Pid::this().to_string(), "-", "-"])
            .row(["child", c0, c1, "-"])
            .row(["grandchild", g0, g1, g2]);
        let seen = Table::new(["whose /proc", "lists the pids"])
            .title("/proc/PID/root/proc")
            .row(["the child's", &child_sees.join(" ")])
            .row(["the grandchild's", &grandchild_sees.join(" ")]);
        let follows = "They hide in one direction only. Every namespace around a process has a number for it; \
                       inside, nothing above exists: no number, nothing to send a signal to.";
        Ok(Evidence::new(follows).table(numbers).table(seen).into())
    })
}

/// Its PIDs, ours first, its own last.
fn numbers(pid: Pid) -> Result<Vec<String>> {
    // In a PID namespace below the machine's, the line begins with our own number all the same.
    Ok(status(pid, "NSpid")?.split_whitespace().map(str::to_owned).collect())
}

/// The only child of a process.
fn child_of(parent: Pid) -> Result<Pid> {
    let parents = listed("/proc")?.into_iter().filter_map(|pid| {
        let parent = crate::process::status(Pid::from_raw(pid), "PPid")?;
        Some((Pid::from_raw(pid), parent))
    });
    let mut children = parents.filter(|(_, of)| *of == parent.to_string());
    let missing = || Error::new("cannot find the grandchild").why(format!("no PPid is {parent}"));
    children.next().map(|(pid, _)| pid).ok_or_else(missing)
}

/// The PIDs that the proc file system of a process lists.
fn seen_by(pid: Pid) -> Result<Vec<String>> {
    Ok(listed(&format!("/proc/{pid}/root/proc"))?.iter().map(i32::to_string).collect())
}

fn listed(proc: &str) -> Result<Vec<i32>> {
    let entries = fs::read_dir(proc).map_err(|error| {
        Error::new("cannot list the processes").io(format_args!("open {proc}"), &error)
    })?;
    let mut pids: Vec<i32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids)
}

fn strange(numbers: &[String]) -> Error {
    Error::new("the kernel contradicts this lesson").why(format!(
        "NSpid should have one number for each namespace, and is {}",
        numbers.join(" ")
    ))
}
