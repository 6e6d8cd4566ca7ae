//! Threads: what writing an id to `tasks` and to `cgroup.procs` moves.

use std::{fs, path::Path};

use cgroups::{Controller, Group, Site, Version};
use ground::{Error, Evidence, Explanation, Result, Scene, Table};
use nix::unistd::Pid;

use super::stage::{self, Stage, Worker, contradiction};

/// `tasks` moves one thread, `cgroup.procs` the process; v2 has no `tasks`.
pub fn moving(site: &Site) -> Result<Scene<Stage>> {
    let group = stage::on_paper(site, "threads", &[Controller::Cpu])?;
    let files = if is_v2(&group) { &["cgroup.procs"][..] } else { &["tasks", "cgroup.procs"] };
    let calls = files.iter().map(|name| {
        let path = stage::file(&group, Controller::Cpu, name);
        let id = if *name == "tasks" { "TID" } else { "PID" };
        let call = format!("write(\"{}\", \"{id}\")", path.display());
        Explanation::new(call, cgroups::advice::meaning(name), "7 cgroups")
    });
    let calls: Vec<Explanation> = calls.collect();
    Ok(Scene::new("Which of two threads moves when an id is written?", calls, |stage| {
        stage.in_group("threads", &[Controller::Cpu], moved)
    }))
}

fn is_v2(group: &Group) -> bool {
    group.directories().any(|(_, version, _)| version == Version::V2)
}

fn moved(group: &Group) -> Result<Evidence> {
    let mut worker = Worker::start(None, &["two-threads"])?;
    let [tid] = worker.numbers()?;
    let (pid, tid) = (worker.child.pid(), Pid::from_raw(i32::try_from(tid).unwrap_or_default()));
    let tasks = stage::file(group, Controller::Cpu, "tasks");
    let mut table = Table::new(["written", "first thread", "second thread"]);
    table.push(["(nothing)", whereabouts(group, pid, pid)?, whereabouts(group, pid, tid)?]);
    let by_tasks = if tasks.exists() {
        group.write(Controller::Cpu, "tasks", &tid.to_string())?;
        let now = [whereabouts(group, pid, pid)?, whereabouts(group, pid, tid)?];
        table.push(["second thread's id to tasks", now[0], now[1]]);
        Some(now)
    } else {
        table.push(["tasks", "no such file", "no such file"]);
        None
    };
    group.add(pid)?;
    let by_procs = [whereabouts(group, pid, pid)?, whereabouts(group, pid, tid)?];
    table.push(["process id to cgroup.procs", by_procs[0], by_procs[1]]);
    conclude(by_tasks, by_procs, is_v2(group)).map(|it| Evidence::new(it).table(table))
}

fn conclude(by_tasks: Option<[&str; 2]>, by_procs: [&str; 2], v2: bool) -> Result<&'static str> {
    match (by_tasks, by_procs, v2) {
        (Some([OUTSIDE, INSIDE]), [INSIDE, INSIDE], false) => Ok(
            "`tasks` moved one thread and tore the process apart; `cgroup.procs` moved all of it. \
             v2 moves single threads only within groups that are \"threaded\".",
        ),
        (None, [INSIDE, INSIDE], true) => Ok(
            "v2 has no `tasks`: a process is in one group with all its threads (threaded groups \
             are the exception that asks for itself, cgroup.type).",
        ),
        seen => {
            Err(contradiction("one thread by tasks, both by cgroup.procs", format!("{seen:?}")))
        }
    }
}

const INSIDE: &str = "in the group";
const OUTSIDE: &str = "outside";

/// Where the kernel says that a thread is, in the tree of the cpu controller.
fn whereabouts(group: &Group, pid: Pid, tid: Pid) -> Result<&'static str> {
    let path = format!("/proc/{pid}/task/{tid}/cgroup");
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::new("cannot see a thread's group").io(format_args!("read {path}"), &error)
    })?;
    let name = group.name.file_name().map(Path::new).unwrap_or(Path::new(""));
    let mine = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        let cpu = names.split(',').any(|it| it == "cpu") || (names.is_empty() && is_v2(group));
        cpu.then(|| Path::new(path).ends_with(name))
    };
    let inside = text.lines().find_map(mine).unwrap_or(false);
    Ok(if inside { INSIDE } else { OUTSIDE })
}
