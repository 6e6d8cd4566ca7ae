//! Memory: what happens to a process that wants more than its group may have.

use cgroups::{Bound, Bytes, Controller, Group, Limits, Memory, Site};
use ground::{Evidence, Result, Scene, Table};
use namespaces::Exit;
use nix::sys::{signal::Signal, sysinfo::sysinfo};

use super::stage::{self, Measured, Stage, contradiction};

const LIMIT: u64 = 32 << 20;
const WANTED: u64 = 4 * LIMIT;

fn limits(swap: Option<Bound>) -> Limits {
    let memory = Memory { limit: Some(Bound::At(LIMIT)), swap, ..Memory::default() };
    Limits { memory, ..Limits::default() }
}

/// 128 MiB wanted, 32 MiB allowed; without swap and with as much as the machine has.
pub fn over_the_limit(site: &Site) -> Result<Scene<Stage>> {
    let calls = stage::set(site, "memory", &limits(Some(Bound::At(LIMIT))))?;
    Ok(Scene::new("A process that wants 128 MiB in a group that may have 32", calls, |stage| {
        stage.in_group("memory", &[Controller::Memory], killed)
    }))
}

/// What became of one process.
struct End {
    exit: Exit,
    kills: u64,
    peak: Option<u64>,
}

fn killed(group: &Group) -> Result<Evidence> {
    let swap = ["memory.swap.max", "memory.memsw.limit_in_bytes"];
    let accounted = swap.iter().any(|it| stage::file(group, Controller::Memory, it).exists());
    let machine = sysinfo().map(|it| it.swap_total()).unwrap_or_default();
    let mut table = Table::new(["memory", "swap", "most used", "OOM kills", "the process"]);
    let mut ends = Vec::new();
    if accounted {
        ends.push(run(group, Some(Bound::At(LIMIT)), "0", &mut table)?);
    }
    // Whether there is any decides what this limit means.
    let last = run(group, accounted.then_some(Bound::Unlimited), "max", &mut table)?;
    let was_killed =
        |it: &End| it.exit == Exit::Signal(Signal::SIGKILL) && it.kills > 0 && it.held();
    let lived = last.exit == Exit::Code(0) && last.held();
    if !ends.iter().all(was_killed) || !(was_killed(&last) || (lived && machine > 0)) {
        let seen: Vec<String> = ends.iter().chain([&last]).map(|it| ended(it.exit)).collect();
        return Err(contradiction("an OOM kill", seen.join("; ")));
    }
    let swapped = match (lived, machine) {
        (true, _) => "With swap it lived: what did not fit was written there.",
        (false, 0) => {
            "This machine has no swap; where there is some, a limit on memory alone only \
                       pushes out."
        }
        (false, _) => "Its swap was not enough either.",
    };
    Ok(Evidence::new(format!(
        "malloc never failed: memory is charged when it is touched, and when nothing more can be \
         reclaimed the kernel kills. SIGKILL does not say why; the group's counter does.\n{swapped}"
    ))
    .table(table))
}

impl End {
    /// Not every kernel tells the peak.
    fn held(&self) -> bool {
        self.peak.is_none_or(|it| it <= LIMIT)
    }
}

fn run(group: &Group, swap: Option<Bound>, named: &str, table: &mut Table) -> Result<End> {
    group.apply(&limits(swap))?;
    let run = Measured::run(group, &["allocate", &WANTED.to_string()])?;
    let (before, memory) = (&run.before.memory, &run.after.memory);
    let kills = memory.oom_kills.unwrap_or_default() - before.oom_kills.unwrap_or_default();
    table.push([
        memory.limit.map_or("-".to_owned(), |it| bytes(it.value())),
        named.to_owned(),
        memory.peak.map_or("(not told)".to_owned(), |it| bytes(Some(it))),
        kills.to_string(),
        ended(run.exit),
    ]);
    Ok(End { exit: run.exit, kills, peak: memory.peak })
}

fn bytes(amount: Option<u64>) -> String {
    amount.map_or("max".to_owned(), |it| Bytes(it).to_string())
}

fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("{signal}, status {}", exit.code()),
    }
}
