//! /proc: what a limited process is told about its machine, before and after the repair.

use std::io::Read;

use cgroups::{Bound, Controller, Cpu, Cpus, Group, Limits, Memory, Site};
use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Table};

use super::stage::{self, Stage, Worker, contradiction};
use crate::commands::{limit::own_program, repair};

const MEMORY: u64 = 64 << 20;

fn limits() -> Limits {
    Limits {
        cpu: Cpu {
            quota_us: Some(Bound::At(50_000)),
            period_us: Some(Cpus::PERIOD_US),
            ..Cpu::default()
        },
        memory: Memory { limit: Some(Bound::At(MEMORY)), ..Memory::default() },
        ..Limits::default()
    }
}

/// What `free`, `top` and `nproc` read, in a group of 64 MiB and half a CPU.
pub fn repaired(site: &Site) -> Result<Scene<Stage>> {
    let mut calls: Vec<Explanation> = stage::set(site, "proc", &limits())?;
    calls.extend(repair::explain());
    Ok(Scene::new(
        "What do free, top and nproc say in a group of 64 MiB and half a CPU?",
        calls,
        |stage| {
            match stage.in_group("proc", &[Controller::Cpu, Controller::Memory], limited)? {
                // The files can be repaired without a group, from numbers given by hand.
                Outcome::NotHere(_) => Ok(compare(None)?),
                shown => Ok(shown),
            }
        },
    ))
}

fn limited(group: &Group) -> Result<Evidence> {
    group.apply(&limits())?;
    match compare(Some(group))? {
        Outcome::Shown(evidence) => Ok(evidence),
        Outcome::NotHere(error) => Err(error),
    }
}

/// What the worker was told, in its order.
#[derive(Debug, PartialEq)]
struct Told {
    meminfo: u64,
    sysinfo: u64,
    cpus: [u64; 4],
}

fn compare(group: Option<&Group>) -> Result<Outcome> {
    let outside = ask(None, &["ask"])?;
    let bare = ask(group, &["ask"])?;
    let memory = MEMORY.to_string();
    let program = own_program()?;
    let program = program.to_string_lossy();
    let given = ["--memory", &memory, "--cpus", "1"];
    let mut arguments = vec!["repair-proc"];
    arguments.extend(given.iter().filter(|_| group.is_none()));
    arguments.extend(["--", &program, "ask"]);
    let repaired = match ask(group, &arguments) {
        Ok(told) => told,
        Err(error) => return Ok(Outcome::NotHere(error)),
    };
    Ok(Outcome::Shown(verdict(&[outside, bare, repaired], group.is_some())?))
}

fn ask(group: Option<&Group>, arguments: &[&str]) -> Result<Told> {
    let mut worker = Worker::start(group, arguments)?;
    let answer = worker.numbers::<6>();
    let mut rest = String::new();
    let _ = worker.says.read_to_string(&mut rest);
    worker.child.wait()?;
    let [meminfo, sysinfo, cpuinfo, stat, online, affinity] = answer.map_err(|_| {
        Error::new("cannot repair /proc here")
            .why("the worker could not make its own mount namespace; what it said stands above")
            .see("7 mount_namespaces")
            .fix("run it as root, or allow user namespaces")
    })?;
    Ok(Told { meminfo, sysinfo, cpus: [cpuinfo, stat, online, affinity] })
}

fn verdict(told: &[Told; 3], in_group: bool) -> Result<Evidence> {
    let [outside, inside, repaired] = told;
    let expected = Told { meminfo: MEMORY, sysinfo: outside.sysinfo, cpus: cpus(outside) };
    if outside != inside || *repaired != expected || outside.meminfo <= MEMORY {
        return Err(contradiction("the machine's numbers until the repair", format!("{told:?}")));
    }
    let group =
        if in_group { "" } else { "No group could be made, so the numbers were given by hand. " };
    Ok(Evidence::new(format!(
        "{group}/proc is the machine's, whoever reads it: in the group as outside. Files bound over \
         it mend what is read, not what is asked by system call: sysinfo(2) and \
         sched_getaffinity(2) say what they said."
    ))
    .table(table(told, in_group)))
}

/// One CPU in each of the three files; the call answers as before.
fn cpus(outside: &Told) -> [u64; 4] {
    [1, 1, 1, outside.cpus[3]]
}

fn table(told: &[Told; 3], in_group: bool) -> Table {
    let here = if in_group { "in the group" } else { "again" };
    let mut table = Table::new(["asked (by)", "outside", here, "repaired"]);
    let bytes = |it: u64| match (it >> 20, it % (1 << 20)) {
        (whole, 0) => format!("{whole} MiB"),
        _ => format!("{:.1} MiB", it as f64 / f64::from(1 << 20)),
    };
    let mut row = |asked: &str, cell: &dyn Fn(&Told) -> String| {
        let [outside, inside, repaired] = told.each_ref().map(cell);
        table.push([asked.to_owned(), outside, inside, repaired]);
    };
    row("/proc/meminfo (free, top)", &|it| bytes(it.meminfo));
    row("sysinfo(2) (busybox free)", &|it| bytes(it.sysinfo));
    let files =
        ["/proc/cpuinfo (lscpu)", "/proc/stat (top)", "online CPUs (glibc)", "affinity (nproc)"];
    for (index, file) in files.into_iter().enumerate() {
        row(file, &|it| it.cpus[index].to_string());
    }
    table
}
