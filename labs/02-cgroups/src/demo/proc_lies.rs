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
struct Told {
    meminfo: u64,
    sysinfo: u64,
    cpus: [u64; 4],
}

fn compare(group: Option<&Group>) -> Result<Outcome> {
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
    Ok(Outcome::Shown(verdict(&bare, &repaired, group.is_some())?))
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

fn verdict(bare: &Told, repaired: &Told, in_group: bool) -> Result<Evidence> {
    let bytes = |it: u64| match (it >> 20, it % (1 << 20)) {
        (whole, 0) => format!("{whole} MiB"),
        _ => format!("{:.1} MiB", it as f64 / f64::from(1 << 20)),
    };
    // What did not change is still the machine's.
    let after = |bare: u64, repaired: u64, shown: &dyn Fn(u64) -> String| match repaired == bare {
        true => format!("the machine's {}", shown(repaired)),
        false => shown(repaired),
    };
    let before =
        |bare: u64, shown: &dyn Fn(u64) -> String| format!("the machine's {}", shown(bare));
    let number = |it: u64| it.to_string();
    let mut table = Table::new(["asked", "by", "told", "told after the repair"]);
    let memory = [
        ("MemTotal of /proc/meminfo", "free, top", bare.meminfo, repaired.meminfo),
        ("sysinfo(2)", "busybox free", bare.sysinfo, repaired.sysinfo),
    ];
    for (asked, by, bare, repaired) in memory {
        table.push([asked, by, &before(bare, &bytes), &after(bare, repaired, &bytes)]);
    }
    let cpus = [
        ("processors in /proc/cpuinfo", "lscpu, many programs"),
        ("cpuN in /proc/stat", "top"),
        ("/sys/devices/system/cpu/online", "glibc's sysconf(3)"),
        ("sched_getaffinity(2)", "nproc, most runtimes"),
    ];
    for ((asked, by), (bare, repaired)) in cpus.iter().zip(bare.cpus.iter().zip(repaired.cpus)) {
        let repaired = match *asked {
            "sched_getaffinity(2)" => after(*bare, repaired, &number),
            _ => number(repaired),
        };
        table.push([*asked, *by, &before(*bare, &number), &repaired]);
    }
    let told = repaired.meminfo == MEMORY && repaired.cpus[..3] == [1, 1, 1];
    if !told || bare.meminfo <= MEMORY {
        let seen = format!("{} MiB, {:?} CPUs", repaired.meminfo >> 20, repaired.cpus);
        return Err(contradiction("64 MiB and 1 CPU after the repair", seen));
    }
    let group =
        if in_group { "" } else { "No group could be made, so the numbers were given by hand. " };
    Ok(Evidence::new(format!(
        "{group}/proc is the machine's, whoever reads it: Java, Go and top once sized themselves by \
         it.\nFiles bound over it mend what is read, not what is asked by system call: only a \
         cpuset moves sched_getaffinity(2), and nothing moves sysinfo(2)."
    ))
    .table(table))
}
