//! Scenes 5 to 7: run, limited, entered.

use std::{fs, path::Path};

use cgroups::{Bound, Group, Site};
use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Table};
use mini_docker::{
    container::{Limits, Options, Overrides, Record},
    engine::Create,
    snapshot::Snapshot,
};
use namespaces::{Id, Kind};
use nix::unistd::Pid;

use super::{
    expect,
    stage::{Stage, on_paper, short_path, shortened, some_layer},
};

/// The container's name.
const NAME: &str = "demo";

/// Stands for its ID, which nobody knows beforehand.
const ID: &str = "ID";

const MEMORY: i64 = 64 << 20;
const QUOTA_US: i64 = 50_000;
const PERIOD_US: u64 = 100_000;
const PIDS: i64 = 32;

pub fn scenes() -> Result<Vec<Scene<Stage>>> {
    Ok(vec![
        Scene::new("A container is started from the image.", start_calls()?, start),
        Scene::new(
            "It is limited: 64 MiB of memory, half a CPU, 32 processes.",
            [shortened(on_paper().explain_limits(ID, &options(limited())))],
            limits,
        ),
        Scene::new(
            "A second program is run inside, and writes a file.",
            [
                Explanation::new(
                    "setns(pidfd, CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWPID|CLONE_NEWNET|..)",
                    "docker exec is a process that joins the namespaces of another (lab 05)",
                    "2 setns",
                ),
                Explanation::new(
                    "execve(\"sh\", [\"sh\", \"-c\", \"echo kept > /note; readlink /proc/self/ns/..\"])",
                    "with the container's capabilities, seccomp filter and cgroup",
                    "2 execve",
                ),
            ],
            enter,
        ),
    ])
}

/// Those of the engine, with short names for long paths.
fn start_calls() -> Result<Vec<Explanation>> {
    let engine = on_paper();
    let layout = engine.layout();
    // A long call is told without its middle.
    let mut snapshot = Snapshot::new(layout, &layout.container(ID), &[some_layer()?]);
    let Snapshot { lower, upper, work, merged } = &mut snapshot;
    for path in lower.iter_mut().chain([upper, work, merged]) {
        *path = short_path(&path.to_string_lossy()).into();
    }
    let calls = engine.explain_start(ID, &snapshot)?;
    Ok(calls.into_iter().map(shortened).collect())
}

fn options(limits: Limits) -> Options {
    Options { limits, ..Options::default() }
}

fn wanted(stage: &Stage, limits: Limits) -> Result<Create> {
    let forever = "trap 'exit 0' TERM; sleep 1000 & wait";
    Ok(Create {
        image: stage.reference("1")?.familiar(),
        name: NAME.into(),
        overrides: Overrides {
            command: ["sh", "-c", forever].map(str::to_owned).into(),
            ..Overrides::default()
        },
        platform: None,
        volumes_from: Vec::new(),
        options: Options { cgroup_parent: stage.cgroup.clone(), ..options(limits) },
    })
}

fn limited() -> Limits {
    Limits {
        memory: Some(MEMORY),
        cpu_quota_us: Some(QUOTA_US),
        cpu_period_us: Some(PERIOD_US),
        pids: Some(PIDS),
        ..Limits::default()
    }
}

fn start(stage: &mut Stage) -> Result<Outcome> {
    // The next scene says what is missing where no group can be made.
    let limits = if stage.cgroup.is_some() { limited() } else { Limits::default() };
    let record = stage.engine.create(wanted(stage, limits)?, &|_| {})?;
    drop(stage.engine.start(&record, false)?);
    let record = stage.engine.container(NAME)?;
    let pid = running(&record)?;
    let monitor = record.state.monitor.as_ref().map_or(0, |monitor| monitor.pid);
    let inside = innermost_pid(pid)?;
    expect(inside == 1, "the program is PID 1 of its own PID namespace")?;
    let merged = stage.engine.layout().container(&record.id).merged();
    let mut table =
        Table::new(["process", "PID here", "PID inside", "mnt namespace", "sees the overlay"]);
    for (name, pid, inside) in [
        ("we", Pid::this().as_raw(), "-".to_owned()),
        ("monitor", monitor, "-".to_owned()),
        ("container", pid, inside.to_string()),
    ] {
        let namespace = Id::of(Pid::from_raw(pid), Kind::Mount)?;
        let sees = sees_overlay(pid, &merged)?;
        table.push([name.to_owned(), pid.to_string(), inside, namespace.to_string(), sees.into()]);
    }
    expect(
        sees_overlay(Pid::this().as_raw(), &merged)? == "no",
        "the mount is the monitor's alone",
    )?;
    stage.container = Some(record);
    let follows = "A container is an ordinary process with two numbers. The overlay is mounted at \
                   one place in the monitor and is the root inside; out here there is no such mount.";
    Ok(Evidence::new(follows).table(table).into())
}

fn running(record: &Record) -> Result<i32> {
    record.state.pid.ok_or_else(|| {
        Error::new("the container does not run")
            .why(record.state.error.clone().unwrap_or_else(|| record.state.status.as_str().into()))
    })
}

/// The last number of `NSpid`: what the process is called in its innermost PID namespace.
fn innermost_pid(pid: i32) -> Result<i32> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path)
        .map_err(|error| Error::new("cannot see the container").io(&path, &error))?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.and_then(|pids| pids.split_ascii_whitespace().last()?.parse().ok())
        .ok_or_else(|| Error::new("cannot see the container").why(format!("{path} has no NSpid")))
}

/// Where a process has an overlay mounted.
fn sees_overlay(pid: i32, merged: &Path) -> Result<&'static str> {
    let path = format!("/proc/{pid}/mountinfo");
    let table = fs::read_to_string(&path)
        .map_err(|error| Error::new("cannot see the mounts").io(&path, &error))?;
    let merged = merged.display().to_string();
    let points: Vec<&str> = table
        .lines()
        .filter(|line| line.contains(" - overlay "))
        .filter_map(|line| line.split(' ').nth(4))
        .collect();
    Ok(match points {
        points if points.contains(&merged.as_str()) => "at ID/merged",
        points if pid != Pid::this().as_raw() && points.contains(&"/") => "as its root",
        _ => "no",
    })
}

fn limits(stage: &mut Stage) -> Result<Outcome> {
    let record = Stage::made(&stage.container)?;
    if let Err(error) = Site::find() {
        return Ok(Outcome::NotHere(error));
    }
    if stage.cgroup.is_none() {
        return Ok(Outcome::NotHere(Error::new("no control group can be made here")));
    }
    let stat = Group::of_process(Pid::from_raw(running(&record)?))?.stat();
    let at = |bound: Option<Bound>| bound.and_then(Bound::value);
    let (memory, pids) = (at(stat.memory.limit), at(stat.pids.limit));
    let (quota, period) = (at(stat.cpu.quota_us), stat.cpu.period_us);
    expect(memory == u64::try_from(MEMORY).ok(), "the memory limit is what was asked for")?;
    expect(pids == u64::try_from(PIDS).ok(), "the limit on processes is what was asked for")?;
    expect(
        (quota, period) == (u64::try_from(QUOTA_US).ok(), Some(PERIOD_US)),
        "the CPU quota is what was asked for",
    )?;
    let text = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let now = stat.pids.current.unwrap_or(0);
    let table = Table::new(["limit", "asked for", "in the cgroup"])
        .title("the cgroup of the container's first process")
        .row(["memory, bytes", "64m", &text(memory)])
        .row([
            "CPU time, us in each period",
            "0.5",
            &format!("{} of {}", text(quota), text(period)),
        ])
        .row(["processes", "32", &text(pids)]);
    expect(now > 0 && now <= PIDS.unsigned_abs(), "the container's processes are counted")?;
    let follows = "The container's processes are in a group of their own, and the kernel counts.";
    Ok(Evidence::new(follows).table(table).into())
}

const KINDS: [Kind; 6] = [Kind::Mount, Kind::Uts, Kind::Ipc, Kind::Pid, Kind::Net, Kind::Cgroup];

fn enter(stage: &mut Stage) -> Result<Outcome> {
    let record = Stage::made(&stage.container)?;
    let links = KINDS.map(|kind| format!("/proc/self/ns/{}", kind.name())).join(" ");
    let script = format!("echo kept > /note; readlink {links}");
    let output = stage.command(&["exec", NAME, "sh", "-c", &script])?;
    let inside = String::from_utf8_lossy(&output.stdout).into_owned();
    let pid = Pid::from_raw(running(&record)?);
    let mut table = Table::new(["kind", "of PID 1", "of the new program", "of us"]);
    let mut same = 0;
    for (kind, inside) in KINDS.into_iter().zip(inside.lines()) {
        let first = Id::of(pid, kind)?.to_string();
        same += usize::from(first == inside);
        table.push([kind.name().into(), first, inside.to_owned(), Id::own(kind)?.to_string()]);
    }
    expect(same == KINDS.len(), "the new program is in all namespaces of the first")?;
    let follows = format!(
        "{same} of {} namespaces are those of PID 1: the program is inside because of nothing else.",
        KINDS.len()
    );
    Ok(Evidence::new(follows).table(table).into())
}
