//! One kernel: a container is no machine.

use ground::{Evidence, Outcome, Result, Scene, Table};
use namespaces::{Kind, Kinds, Spawn};

use super::{Stage, check, view, with, witness::look};

/// Claim N06.
pub fn scene() -> Result<Scene<Stage>> {
    let what = "A child with five tables of its own is asked which kernel it runs on.";
    Ok(Scene::new(what, spawn().explain(), act))
}

fn spawn() -> Spawn<'static> {
    Spawn::new(Kinds::of([Kind::Mount, Kind::Uts, Kind::Ipc, Kind::Pid, Kind::Net]))
}

fn act(_: &mut Stage) -> Result<Outcome> {
    let outside = view::here()?;
    with(look(spawn()), |witness| {
        let ours = ["release", "boot_id"].map(|fact| outside[fact].as_str());
        let theirs = ["release", "boot_id"].map(|fact| witness.fact(fact));
        check(ours[0] == theirs[0], "there is one kernel")?;
        check(ours[1] == theirs[1], "it was booted once")?;
        let table = Table::new(["asked", "release", "boot_id"])
            .title("uname(2), /proc/sys/kernel/random/boot_id")
            .row(["outside", ours[0], ours[1]])
            .row(["inside", theirs[0], theirs[1]]);
        let follows = "The same kernel serves both, and nothing was booted for the child: the id that is drawn \
                       at every boot is ours. So a hole in the kernel is a hole in every container.";
        Ok(Evidence::new(follows).table(table).into())
    })
}
