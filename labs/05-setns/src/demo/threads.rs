//! Some namespaces take a process whole, or not at all.

use ground::{Evidence, Outcome, Result, Scene, Step, Table};
use namespaces::{IdMaps, Kind, Kinds, Spawn};
use setns::{JoinProcess, Target};

use super::{check, of_some_process, stage::Stage, witness::start};
use crate::args::Role;

/// The two that every thread of a process has in common: what it may do, and where its paths begin.
const KINDS: [Kind; 2] = [Kind::Mount, Kind::User];

/// Claim S02, on threads.
pub fn scene(target: &Target) -> Scene<Stage> {
    let joins = KINDS.map(|kind| JoinProcess::new(target, Kinds::of([kind])).explain());
    let what = "Two visitors join a mount and a user namespace; one has two threads.";
    Scene::new(what, of_some_process(joins), act)
}

fn act(_: &mut Stage) -> Result<Outcome> {
    let process = Spawn::new(Kinds::of(KINDS)).id_maps(IdMaps::only_root()).stay();
    let process = match process.start() {
        Ok(process) => process,
        Err(error) => return Ok(Outcome::NotHere(error)),
    };
    let columns = ["threads", "setns(.., CLONE_NEWNS)", "setns(.., CLONE_NEWUSER)"];
    let mut table =
        Table::new(columns).title("Threads of /proc/self/status, and what setns(2) says");
    for (threads, answer) in [(1, "joined"), (2, "EINVAL")] {
        let role = Role::JoinAs { pid: process.pid().as_raw(), threads };
        let visitor = start(role, Spawn::new(Kinds::NONE))?;
        let said = KINDS.map(|kind| visitor.fact(kind.name()).to_owned());
        check(said == [answer, answer], "both are joined with one thread, and not with two")?;
        let [mount, user] = said;
        table.push([visitor.fact("threads"), &mount, &user]);
    }
    let follows = "Threads share their root and their working directory, and a user namespace holds a process \
                   whole: no thread goes alone. So runc, whose Go starts with several, joins in C before Go begins.";
    Ok(Evidence::new(follows).table(table).into())
}
