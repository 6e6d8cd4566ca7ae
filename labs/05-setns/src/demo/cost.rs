//! What a container costs: what its process keeps in memory, and what the kernel keeps about it.

use cgroups::{Controller, Site, Temporary};
use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Table};
use namespaces::{Child, Kinds, Spawn, witness::Facts};
use nix::unistd::Pid;

use super::{
    check,
    stage::{self, Stage},
    status_of,
    witness::start,
};
use crate::args::Role;

/// Far below what a kernel of its own would need.
const LITTLE: u64 = 32 << 20;

/// Claim N07.
pub fn scene() -> Scene<Stage> {
    let counted = Explanation::new(
        "read(\"GROUP/memory.current\"), read(\"GROUP/memory.stat\")",
        "a group is charged for its pages, and for what the kernel keeps about its processes",
        "7 cgroups",
    );
    let of_process = Explanation::new(
        "read(\"/proc/PID/status\")",
        "VmRSS is what is resident, shared pages included; RssAnon is its own",
        "5 proc_pid_status",
    );
    let calls = [Spawn::new(stage::kinds()).clone_explained(), of_process, counted];
    Scene::new("A process in a fresh group makes an idle container. What does it cost?", calls, act)
}

/// The side of that process: the namespaces are made in its group, or they would be charged to ours.
///
/// # Errors
/// As [`Spawn::start`].
pub fn make(facts: &mut Facts) -> Result<Child> {
    let child = Spawn::new(stage::kinds()).stay().start()?;
    facts.insert("idle".to_owned(), child.pid().to_string());
    Ok(child)
}

fn act(_: &mut Stage) -> Result<Outcome> {
    let group = group();
    let mut spawn = Spawn::new(Kinds::NONE);
    if let Ok(group) = &group {
        for step in group.join()? {
            spawn = spawn.step(step);
        }
    }
    let maker = start(Role::Make, spawn)?;
    let idle = maker.fact("idle").parse().map(Pid::from_raw);
    let idle = idle.map_err(|_| Error::new("cannot make the idle container"))?;
    let mut table = Table::new(["an idle container", "in memory"]);
    for (what, field) in [("its process (VmRSS)", "VmRSS"), ("of it its own (RssAnon)", "RssAnon")]
    {
        let bytes = kibibytes(&status_of(idle, field)?)? << 10;
        check(bytes < LITTLE, "an idle process is small")?;
        table.push([what.to_owned(), mebibytes(bytes)]);
    }
    let mut follows = "Nothing is set aside for it and nothing boots: a container costs what its processes use, and \
                       the tables that the kernel keeps about them."
        .to_owned();
    match &group {
        Ok(group) => charge(group, &mut table)?,
        Err(error) => {
            let why = error.why.as_deref().unwrap_or(&error.what);
            follows += &format!(" (What the kernel keeps was not counted: {why}.)");
        }
    }
    Ok(Evidence::new(follows).table(table).into())
}

fn charge(group: &Temporary, table: &mut Table) -> Result<()> {
    let memory = group.stat().memory;
    let rows = [
        ("charged to the group, with who made it", memory.current),
        ("of it for the kernel's tables", memory.kernel),
    ];
    for (what, bytes) in rows {
        // Kernels before 5.18 do not say the second, and one with many CPUs may say it seconds late.
        let Some(bytes) = bytes.filter(|bytes| *bytes > 0) else { continue };
        check(bytes < LITTLE, "an idle container is charged for little")?;
        table.push([what.to_owned(), mebibytes(bytes)]);
    }
    Ok(())
}

fn group() -> Result<Temporary> {
    let site = Site::find()?;
    let memory = [Controller::Memory].into_iter().collect();
    site.require(&memory)?;
    Temporary::guarded(&site, "cost", &memory)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The number in `1234 kB`, by which the kernel means KiB.
fn kibibytes(text: &str) -> Result<u64> {
    let number = text.trim_end_matches("kB").trim().parse();
    number.map_err(|_| Error::new("cannot read the size of a process").why(text))
}
