//! One kernel: a container is no machine.

use ground::{Evidence, Outcome, Result, Scene, Table};
use namespaces::{IdMaps, Kind, Kinds, Spawn};

use super::{Stage, check, view, with, witness::look};

/// Claim N06.
pub fn scene() -> Result<Scene<Stage>> {
    let what = "A child that shares none of six tables with us is asked which kernel it runs on.";
    Ok(Scene::new(what, spawn().explain(), act))
}

fn spawn() -> Spawn<'static> {
    let kinds = [Kind::Mount, Kind::Uts, Kind::Ipc, Kind::Pid, Kind::Net, Kind::User];
    Spawn::new(Kinds::of(kinds)).id_maps(IdMaps::only_root())
}

fn act(_: &mut Stage) -> Result<Outcome> {
    let outside = view::here()?;
    with(look(spawn()), |witness| {
        let mut table = Table::new(["uname(2)", "outside", "inside"]);
        for field in ["release", "version"] {
            let (ours, theirs) = (outside[field].as_str(), witness.fact(field));
            check(ours == theirs, "there is one kernel")?;
            table.push([field, ours, theirs]);
        }
        let follows = "The same kernel serves both, and no second one was booted: that is why a container starts \
                       in milliseconds, and why a hole in the kernel is a hole in every container.";
        Ok(Evidence::new(follows).table(table).into())
    })
}
