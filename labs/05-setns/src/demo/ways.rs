//! Two ways to name namespaces: one pidfd for all, or a file each, in the right order.

use ground::{Error, Evidence, Outcome, Result, Scene, Table};
use namespaces::{Child, Id, IdMaps, Kind, Kinds, Spawn};
use setns::{Enter, Target, Way, enter};

use super::{check, of_some_process, stage::Stage};

/// A user namespace is among them: it is what makes the order matter.
const KINDS: [Kind; 4] = [Kind::User, Kind::Uts, Kind::Ipc, Kind::Net];

fn other() -> Spawn<'static> {
    Spawn::new(Kinds::of(KINDS)).id_maps(IdMaps::only_root()).stay()
}

/// Claim S02, on the order.
pub fn scene(target: &Target) -> Result<Scene<Stage>> {
    let mut calls = vec![other().clone_explained()];
    for way in [Way::Pidfd, Way::Files] {
        calls.extend(way.steps(target, Kinds::of(KINDS))?.iter().map(|step| step.explain()));
    }
    let what = "A process with a user namespace of its own is entered in both ways.";
    Ok(Scene::new(what, of_some_process(calls), act))
}

fn act(_: &mut Stage) -> Result<Outcome> {
    if Way::best() == Way::Files {
        return Ok(Outcome::NotHere(
            Error::new("this kernel takes no pidfd for setns(2)")
                .why("setns(pidfd, CLONE_NEWUTS) = EINVAL for our own namespace")
                .see("2 setns")
                .fix("use a kernel from 5.8 on; by file it works here"),
        ));
    }
    let process = match other().start() {
        Ok(process) => process,
        Err(error) => return Ok(Outcome::NotHere(error)),
    };
    let target = Target::open(process.pid())?;
    let (by_pidfd, by_files) = (visit(&target, Way::Pidfd)?, visit(&target, Way::Files)?);
    let mut table = Table::new(["kind", "the process", "entered by pidfd", "entered by files"])
        .title("/proc/PID/ns of all three");
    for kind in Kinds::of(KINDS).iter() {
        let ids = [&process, &by_pidfd, &by_files].map(|child| Id::of(child.pid(), kind));
        let [there, by_pidfd, by_files] = ids;
        let (there, by_pidfd, by_files) = (there?, by_pidfd?, by_files?);
        check(there == by_pidfd && there == by_files, "both ways lead to the same namespaces")?;
        table.push([
            kind.name().to_owned(),
            there.to_string(),
            by_pidfd.to_string(),
            by_files.to_string(),
        ]);
    }
    let follows = "The pidfd is one call, all or nothing. File by file, root goes into the user namespace last, \
                   because it takes the power over what lies outside; an ordinary user first, because it gives the \
                   only power there is.";
    Ok(Evidence::new(follows).table(table).into())
}

fn visit(target: &Target, way: Way) -> Result<Child> {
    enter(target, &Enter { way, ..Enter::kinds(Kinds::of(KINDS)) })?.stay().start()
}
