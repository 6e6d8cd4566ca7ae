//! Memory: what happens to a process that wants more than its group may have.

use cgroups::{Bound, Bytes, Controller, Group, Limits, Memory, Site};
use ground::{Evidence, Result, Scene, Table};
use namespaces::Exit;
use nix::sys::signal::Signal;

use super::stage::{self, Measured, Stage, contradiction};

const LIMIT: u64 = 32 << 20;
const WANTED: u64 = 4 * LIMIT;

fn limits(swap: bool) -> Limits {
    // Without swap the outcome does not depend on the machine.
    let swap = swap.then_some(Bound::At(LIMIT));
    let memory = Memory { limit: Some(Bound::At(LIMIT)), swap, ..Memory::default() };
    Limits { memory, ..Limits::default() }
}

/// 128 MiB wanted, 32 MiB allowed.
pub fn over_the_limit(site: &Site) -> Result<Scene<Stage>> {
    let calls = stage::set(site, "memory", &limits(true))?;
    Ok(Scene::new("A process that wants 128 MiB in a group that may have 32", calls, |stage| {
        stage.in_group("memory", &[Controller::Memory], killed)
    }))
}

fn killed(group: &Group) -> Result<Evidence> {
    let swap = ["memory.swap.max", "memory.memsw.limit_in_bytes"];
    let swap = swap.iter().any(|it| stage::file(group, Controller::Memory, it).exists());
    group.apply(&limits(swap))?;
    let run = Measured::run(group, &["allocate", &WANTED.to_string()])?;
    let memory = &run.after.memory;
    let kills = memory.oom_kills.unwrap_or_default();
    let table = Table::new(["limit", "most in use", "OOM kills", "the process"]).row([
        memory.limit.map_or("-".to_owned(), |it| bytes(it.value())),
        memory.peak.map_or("(not told by this kernel)".to_owned(), |it| bytes(Some(it))),
        kills.to_string(),
        ended(run.exit),
    ]);
    match run.exit {
        Exit::Signal(Signal::SIGKILL) if kills > 0 && memory.peak.is_none_or(|it| it <= LIMIT) => {
            Ok(Evidence::new(
                "malloc never failed: memory is charged when it is touched, and when nothing more \
                 can be reclaimed the kernel kills. SIGKILL does not say why; the group's counter \
                 does.",
            )
            .table(table))
        }
        Exit::Code(0) if !swap => Ok(Evidence::new(
            "It got its memory, and the limit held: this kernel does not account swap, and the \
             rest went there. A memory limit kills only what cannot be swapped out.",
        )
        .table(table)),
        exit => Err(contradiction("an OOM kill", format!("{} and {kills} kills", ended(exit)))),
    }
}

fn bytes(amount: Option<u64>) -> String {
    amount.map_or("max".to_owned(), |it| Bytes(it).to_string())
}

fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("killed by {signal}, status {}", exit.code()),
    }
}
