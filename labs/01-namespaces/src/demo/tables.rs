//! Four of the tables, each seen from both sides: host name, mounts, interfaces, cgroup root.

use std::fs;

use ground::{Error, Evidence, Outcome, Result, Scene, Table};
use namespaces::{
    Kind, Kinds, Spawn, rootless,
    steps::{MountProc, PrivateMounts, SetHostname},
};
use nix::unistd::Pid;

use super::{Stage, check, view, with, witness::look};

const NAME: &str = "unboxed";

/// One flag, one table.
pub fn host_name() -> Result<Scene<Stage>> {
    let what = "One flag only: a child gets a host name of its own.";
    let calls = rootless::explain(Kinds::NONE).into_iter().chain(renamed()?.explain());
    Ok(Scene::new(what, calls, act_host_name))
}

fn renamed() -> Result<Spawn<'static>> {
    Ok(Spawn::new(Kinds::of([Kind::Uts])).step(SetHostname::new(NAME)?))
}

fn act_host_name(stage: &mut Stage) -> Result<Outcome> {
    stage.become_root()?;
    let before = view::here()?;
    with(look(renamed()?), |witness| {
        let after = view::here()?;
        check(witness.fact("nodename") == NAME, "the child has the name that it set")?;
        check(after["nodename"].as_str() == before["nodename"].as_str(), "our own name stays")?;
        let table = Table::new(["asked", "nodename"])
            .title("uname(2)")
            .row(["outside, before", before["nodename"].as_str()])
            .row(["inside", witness.fact("nodename")])
            .row(["outside, now", after["nodename"].as_str()]);
        Ok(Evidence::new("sethostname(2) wrote into the child's copy; ours is another one.")
            .table(table)
            .into())
    })
}

/// A mount that the outside does not see.
pub fn mounts() -> Result<Scene<Stage>> {
    let what = "A child with a mount table of its own mounts a second /proc.";
    Ok(Scene::new(what, mounting().explain(), act_mounts))
}

fn mounting() -> Spawn<'static> {
    Spawn::new(Kinds::of([Kind::Mount, Kind::Pid])).step(PrivateMounts).step(MountProc).stay()
}

fn act_mounts(_: &mut Stage) -> Result<Outcome> {
    let before = procs_mounted("self")?;
    let child = match mounting().start() {
        Ok(child) => child,
        Err(error) => return Ok(Outcome::NotHere(error)),
    };
    let inside = procs_mounted(&child.pid().to_string())?;
    let after = procs_mounted("self")?;
    check(inside == before + 1, "the child's table has the new mount")?;
    check(after == before, "our own table has not")?;
    let table = Table::new(["mount table", "mounts on /proc"])
        .title("/proc/self/mountinfo and /proc/PID/mountinfo")
        .row(["ours, before", &before.to_string()])
        .row(["the child's", &inside.to_string()])
        .row(["ours, now", &after.to_string()]);
    let follows = "The new table began as a copy of ours; what is mounted afterwards is only in one of them. \
                   That needs the copies to be private: why, lab 06 shows.";
    Ok(Evidence::new(follows).table(table).into())
}

fn procs_mounted(pid: &str) -> Result<usize> {
    let path = format!("/proc/{pid}/mountinfo");
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::new("cannot see the mounts").io(format_args!("open {path}"), &error)
    })?;
    // The fifth field is the mount point (man 5 proc_pid_mountinfo).
    Ok(text.lines().filter(|line| line.split(' ').nth(4) == Some("/proc")).count())
}

/// A network without a way out.
pub fn interfaces() -> Result<Scene<Stage>> {
    let spawn = Spawn::new(Kinds::of([Kind::Net]));
    Ok(Scene::new("A child gets network tables of its own.", spawn.explain(), act_interfaces))
}

fn act_interfaces(_: &mut Stage) -> Result<Outcome> {
    let ours = view::here()?;
    with(look(Spawn::new(Kinds::of([Kind::Net]))), |witness| {
        let inside = witness.fact("interfaces");
        check(inside == "lo (down)", "a new network namespace has a loopback, and it is down")?;
        let loopback = witness.fact("loopback");
        check(loopback.starts_with("ENETUNREACH"), "127.0.0.1 is out of reach while lo is down")?;
        let devices = devices_of(witness.pid())?;
        check(devices == ["lo"], "/proc/PID/net/dev shows the network of that process")?;
        let table = Table::new(["asked", "answer"])
            .row(["getifaddrs() outside", ours["interfaces"].as_str()])
            .row(["getifaddrs() inside", inside])
            .row(["/proc/PID/net/dev, read by us", &devices.join(" ")])
            .row(["connect(2) to 127.0.0.1 inside", loopback]);
        let follows = "No interface leads out, and not even 127.0.0.1 can be reached before lo is up. \
                       What connects it comes later: a pair of veth, one end in each namespace.";
        Ok(Evidence::new(follows).table(table).into())
    })
}

fn devices_of(pid: Pid) -> Result<Vec<String>> {
    let path = format!("/proc/{pid}/net/dev");
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::new("cannot see the network").io(format_args!("open {path}"), &error)
    })?;
    // Two lines of heading, then a line a device: its name before the colon.
    Ok(text
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect())
}

/// Where the tree of control groups seems to begin.
pub fn cgroup_root() -> Result<Scene<Stage>> {
    let spawn = Spawn::new(Kinds::of([Kind::Cgroup]));
    let what = "A child gets its own view of the tree of control groups.";
    Ok(Scene::new(what, spawn.explain(), act_cgroup_root))
}

fn act_cgroup_root(_: &mut Stage) -> Result<Outcome> {
    let ours = view::here()?;
    with(look(Spawn::new(Kinds::of([Kind::Cgroup]))), |witness| {
        let (outside, inside) = (ours["cgroups"].as_str(), witness.fact("cgroups"));
        check(inside == "none", "the group we were made in is the root of what we see")?;
        let table = Table::new(["asked", "groups that are not /"])
            .title("/proc/self/cgroup")
            .row(["outside", outside])
            .row(["inside", inside]);
        let follows = match outside {
            "none" => {
                "We are in the root of every hierarchy, so nothing is cut off; begin in a group (lab-02 limit) \
                 and see it become /."
            }
            _ => {
                "The child is in the same groups as we are, and counted there; it only sees them as /."
            }
        };
        Ok(Evidence::new(follows).table(table).into())
    })
}
