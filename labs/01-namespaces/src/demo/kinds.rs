//! The eight kinds, before and after one clone3(2).

use ground::{Evidence, Outcome, Result, Scene, Table};
use namespaces::{Id, IdMaps, Kind, Kinds, Spawn};

use super::{Stage, check};

/// Claim N04.
pub fn scene() -> Result<Scene<Stage>> {
    Ok(Scene::new(
        "A child is made, in a new namespace of every kind that this kernel has.",
        spawn().explain(),
        act,
    ))
}

fn spawn() -> Spawn<'static> {
    let kinds = Kind::ALL.into_iter().filter(|kind| Id::own(*kind).is_ok());
    Spawn::new(Kinds::of(kinds)).id_maps(IdMaps::only_root()).stay()
}

fn act(_: &mut Stage) -> Result<Outcome> {
    let child = match spawn().start() {
        Ok(child) => child,
        Err(error) => return Ok(Outcome::NotHere(error)),
    };
    let mut table = Table::new(["flag", "our inode", "its inode", "has for itself"])
        .title("/proc/self/ns and /proc/PID/ns");
    let mut missing = Vec::new();
    for kind in Kind::ALL {
        let Ok(ours) = Id::own(kind) else {
            missing.push(kind.name());
            continue;
        };
        let theirs = Id::of(child.pid(), kind)?;
        check(ours != theirs, "every flag gives the child another namespace")?;
        table.push([
            kind.flag_name(),
            &ours.ino.to_string(),
            &theirs.ino.to_string(),
            kind.isolates(),
        ]);
    }
    let lacks = match missing.is_empty() {
        true => String::new(),
        false => format!(" This kernel has no {} namespaces.", missing.join(", ")),
    };
    let follows = format!(
        "For every flag another inode: the child shares none of these with us. A kind that is not asked \
         for stays shared.{lacks}"
    );
    Ok(Evidence::new(follows).table(table).into())
}
