//! Scenes 7 to 11: the old root is moved, stacked, and taken away.

use std::{ffi::CString, path::Path};

use ground::{Evidence, Outcome, Result, Scene, Step, Table};
use namespaces::{Kind, Kinds, steps::PrivateMounts};
use rootfs::{Chdir, Chroot, Mkdir, Mount, MsFlags, PivotRoot, Umount};

use super::{NEW_ROOT, Stage, actor::Actor, chroot::climb, expect, explain, in_new_root, said};
use crate::breakout;

type Steps = Vec<Box<dyn Step>>;

pub(super) fn scenes() -> Result<Vec<Scene<Stage>>> {
    let out = breakout::steps(Path::new("tmp"))?;
    let mut last = explain(&rootfs::pivot(&new_root()?));
    last.extend(explain(&out));
    Ok(vec![
        Scene::new("Ask pivot_root for too much.", explain(&refusals()?), refuse),
        Scene::new(
            "Pivot, and look at everybody in the mount namespace.",
            explain(&pivot_with_put_old()?),
            whole_namespace,
        ),
        Scene::new(
            "Take the old root away from below put_old.",
            explain(&leave_the_old_root()?),
            working_directory,
        ),
        Scene::new("Pivot without a directory for the old root.", explain(&stacked()?), stack),
        Scene::new("Try the same break-out after pivot_root.", last, stay_inside),
    ])
}

fn new_root() -> Result<CString> {
    rootfs::c_path(NEW_ROOT)
}

/// `mount(new_root, new_root, MS_BIND)`: any directory becomes a mount point.
fn bind_on_itself() -> Result<Mount> {
    Ok(Mount::bind(new_root()?, new_root()?)
        .why("pivot_root wants a mount point, and this makes any directory one"))
}

/// Each pivot_root of this list but the last is refused.
fn refusals() -> Result<Steps> {
    let pivot = |why: &'static str| -> Result<Box<dyn Step>> {
        Ok(Box::new(PivotRoot::new(new_root()?, in_new_root("tmp")?).why(why)))
    };
    Ok(vec![
        pivot("new_root is a directory like any other, and what is exchanged are mounts")?,
        Box::new(bind_on_itself()?),
        Box::new(Mount::propagation(
            c"/tmp",
            MsFlags::MS_SHARED,
            "as on a machine with systemd, where every mount is shared",
        )),
        pivot("the exchange would have to spread to every namespace that shares the parent")?,
        Box::new(Mount::propagation(
            c"/tmp",
            MsFlags::MS_PRIVATE,
            "changes of this mount are ours alone now",
        )),
        Box::new(
            PivotRoot::new(new_root()?, c"/tmp")
                .why("put_old must be reachable from new_root, or the old root would be lost"),
        ),
        Box::new(PivotRoot::new(new_root()?, c"/").why("the old root cannot be put on itself")),
        pivot("a mount point, a private parent, a directory in it: nothing is in the way")?,
    ])
}

fn refuse(_: &mut Stage) -> Result<Outcome> {
    let actor = Actor::enter(Kinds::of([Kind::Mount]), refusals()?)?;
    let expected = [
        (0, "EINVAL", "no mount point", "tmp in new_root"),
        (3, "EINVAL", "a mount, its parent shared", "tmp in new_root"),
        (5, "EINVAL", "a mount, its parent private", "not below new_root"),
        (6, "EBUSY", "a mount, its parent private", "the old root itself"),
        (7, "ok", "a mount, its parent private", "tmp in new_root"),
    ];
    let mut table = Table::new(["new_root is", "put_old is", "pivot_root"]);
    let mut next = 0;
    for (index, answer, new_root, put_old) in expected {
        (next..index).try_for_each(|between| actor.does(between))?;
        let said = said(actor.tries(index)?);
        expect(said == answer, &format!("{} gives {answer}, not {said}", actor.call(index)))?;
        table.push([new_root, put_old, &said]);
        next = index + 1;
    }
    let follows = "So every runtime makes \"/\" private and binds the new root on itself first. \
                   Where / is shared, as on most machines, leaving out the first of these is \
                   EINVAL.";
    Ok(Evidence::new(follows).table(table).into())
}

/// The actor that pivots, in a mount namespace of its own.
fn pivot_with_put_old() -> Result<Steps> {
    Ok(vec![
        Box::new(PrivateMounts),
        Box::new(bind_on_itself()?),
        Box::new(Mkdir::new(in_new_root("old")?, 0o700, "where the old root will be")),
        Box::new(PivotRoot::new(new_root()?, in_new_root("old")?)),
    ])
}

fn whole_namespace(stage: &mut Stage) -> Result<Outcome> {
    let caller = Actor::enter(Kinds::of([Kind::Mount]), pivot_with_put_old()?)?;
    (0..3).try_for_each(|index| caller.does(index))?;
    let beside = Actor::enter(Kinds::NONE, vec![Box::new(caller.join()?)])?;
    let chrooted = Actor::enter(
        Kinds::NONE,
        vec![
            Box::new(caller.join()?),
            Box::new(Chroot::new(c"/usr")),
            Box::new(Chdir::new(c"/", "")),
        ],
    )?;
    beside.does_all()?;
    chrooted.does_all()?;
    let actors = [
        ("called pivot_root", &caller),
        ("beside it", &beside),
        ("in a chroot of its own", &chrooted),
    ];
    let places = |actor: &Actor| Ok((actor.root()?, actor.cwd()?));
    let before = actors.map(|(_, actor)| places(actor));
    caller.does(3)?;
    let columns = ["process of the namespace", "\"/\" before", "\"/\" after", "\".\" after"];
    let mut table = Table::new(columns).title("/proc/PID/root and /proc/PID/cwd");
    let mut moved = Vec::new();
    for ((who, actor), before) in actors.into_iter().zip(before) {
        let ((old, _), (root, cwd)) = (before?, places(actor)?);
        moved.push(old == stage.host && root == stage.inside()?);
        table.push([who, stage.name(old)?, stage.name(root)?, stage.name(cwd)?]);
    }
    expect(moved == [true, true, false], "all whose root was the old root moved, no other")?;
    let here = crate::breakout::Place::at("/")?;
    expect(here == stage.host, "our own mount namespace kept its root")?;
    let follows = "pivot_root changes the namespace: whoever had the old root as \"/\" or \".\" \
                   has the new one now. A process with another root keeps that. Other namespaces, \
                   as ours, notice nothing.";
    Ok(Evidence::new(follows).table(table).into())
}

/// What follows a pivot with a put_old, from a working directory that was not the old root.
fn farewell() -> Steps {
    vec![
        Box::new(Umount::detach(c"/old").why("the old root is still one path away: not for long")),
        Box::new(Chdir::new(c"/", "the working directory is the last thing that holds on to it")),
    ]
}

/// All of the scene, from a working directory in the old root.
fn leave_the_old_root() -> Result<Steps> {
    let mut steps: Steps = vec![Box::new(Chdir::new(c"/usr", "some directory of the old root"))];
    steps.extend(pivot_with_put_old()?);
    steps.extend(farewell());
    Ok(steps)
}

fn working_directory(stage: &mut Stage) -> Result<Outcome> {
    let steps = leave_the_old_root()?;
    let (count, pivoted) = (steps.len(), steps.len() - farewell().len());
    let actor = Actor::enter(Kinds::of([Kind::Mount]), steps)?;
    let old_usr = crate::breakout::Place::at("/usr")?;
    let columns = ["after", "\"/\" is", "\".\" is", "mounts below /old"];
    let mut table = Table::new(columns).title("/proc/PID/root, cwd and mountinfo");
    let mut seen = Vec::new();
    for index in 0..count {
        actor.does(index)?;
        if index + 1 < pivoted {
            continue;
        }
        let below = actor.mounts()?.iter().any(|it| it.point.starts_with("/old"));
        let cwd = match actor.cwd()? {
            place if place == old_usr => "the host's /usr",
            place => stage.name(place)?,
        };
        seen.push((cwd, below));
        let below = if below { "the host's" } else { "none" };
        table.push([name_of(&actor.call(index)), stage.name(actor.root()?)?, cwd, below]);
    }
    let expected = [("the host's /usr", true), ("the host's /usr", false), ("new root", false)];
    expect(seen == expected, "only chdir brings the working directory in")?;
    let follows = "pivot_root left \".\" alone. Even without a mount that leads there, a working \
                   directory keeps the old tree in reach: hence chdir(\"/\"), and no open \
                   directories.";
    Ok(Evidence::new(follows).table(table).into())
}

/// `umount2` of `umount2("/old", MNT_DETACH)`: the whole call stands above the table.
fn name_of(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}

/// runc's way: private, bind, and the four calls of [`rootfs::pivot`].
fn stacked() -> Result<Steps> {
    let mut steps: Steps = vec![Box::new(PrivateMounts), Box::new(bind_on_itself()?)];
    steps.extend(rootfs::pivot(&new_root()?));
    Ok(steps)
}

fn stack(stage: &mut Stage) -> Result<Outcome> {
    let actor = Actor::enter(Kinds::of([Kind::Mount]), stacked()?)?;
    let mut table =
        Table::new(["after", "mounts at \"/\"", "\"/\" is"]).title("mountinfo and root");
    let mut counts = Vec::new();
    for index in 0..6 {
        actor.does(index)?;
        let at_root = actor.mounts()?.iter().filter(|it| it.point == Path::new("/")).count();
        if index >= 2 {
            counts.push(at_root);
            let root = stage.name(actor.root()?)?;
            table.push([&actor.call(index), at_root.to_string().as_str(), root]);
        }
    }
    expect(counts == [1, 2, 1, 1], "the old root lies on the new one until it is unmounted")?;
    let follows = "put_old need not be a directory below new_root, it may be new_root itself: the \
                   old root is stacked on top, where one umount2 takes it away.";
    Ok(Evidence::new(follows).table(table).into())
}

fn stay_inside(stage: &mut Stage) -> Result<Outcome> {
    let mut steps = stacked()?;
    let pivoted = steps.len();
    steps.extend(breakout::steps(Path::new("tmp"))?);
    let count = steps.len();
    let prisoner = Actor::enter(Kinds::of([Kind::Mount]), steps)?;
    let table = climb(stage, &prisoner, 0..count, pivoted)?;
    expect(prisoner.root()? == stage.inside()?, "the climb ended at the new root")?;
    let left: Vec<_> = prisoner.mounts()?.into_iter().map(|it| it.point).collect();
    expect(left == [Path::new("/")], "one mount is left in the namespace")?;
    let table_of_mounts = Table::new(["mounts in the prisoner's namespace"]).row([left
        .iter()
        .map(|it| it.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")]);
    let follows = "Still inside: above the root mount there is nothing. This is why containers \
                   pivot, and chroot alone is for build jails.";
    Ok(Evidence::new(follows).table(table).table(table_of_mounts).into())
}
