//! The demonstration: the life of an image and of a container, once around.
//!
//! It works offline: the image is made of this machine's own programs (lab 03), the registry is our
//! own. And it leaves nothing: the second half of this program runs in a PID and a mount namespace
//! of its own, on a tmpfs; were it killed at any moment, the kernel would take away every process
//! and every file with it. Control groups outlive namespaces; ours are swept at the next start.

mod away;
mod change;
mod image;
mod look;
mod publish;
mod run;
mod stage;

use std::{ffi::OsString, process::ExitCode};

use cgroups::{Controller, Group, Site, Temporary};
use ground::{Error, Lesson, Narrator, Result};
use namespaces::{
    Exec, Kind, Kinds, Spawn, pidfd, rootless,
    steps::{MountProc, PrivateMounts},
};
use nix::unistd::Pid;
use rootfs::Mount;

use stage::Stage;

/// What the cgroup of the demonstration is called, when it has one.
const NO_CGROUP: &str = "none";

/// Plays it.
pub fn play(flags: ground::cli::Flags, on_stage: Option<&str>) -> ExitCode {
    ground::cli::run(flags, |narrator| match on_stage {
        Some(cgroup) => tell(narrator, Some(cgroup).filter(|name| *name != NO_CGROUP)),
        None if narrator.plans_only() => tell(narrator, None),
        None => set_stage(),
    })
}

fn tell(narrator: &mut Narrator<'_>, cgroup: Option<&str>) -> Result<ExitCode> {
    let scenes =
        [image::scenes(), publish::scenes()?, run::scenes()?, change::scenes()?, away::scenes()];
    let lesson = Lesson {
        lab: "lab-07",
        title: "mini-docker",
        point: "An image is a stack of directories by digest; a container is a process that sees \
                them as its root, and one directory more to write in.",
        scenes: scenes.into_iter().flatten().collect(),
    };
    lesson.play(narrator, || Stage::open(cgroup))?;
    Ok(ExitCode::SUCCESS)
}

/// Starts this program again where nothing can be left behind, and waits for it.
fn set_stage() -> Result<ExitCode> {
    rootless::enter(Kinds::NONE)?;
    let site = Site::find().ok();
    let cgroup = site.as_ref().map_or(NO_CGROUP.to_owned(), |_| Temporary::name("demo"));
    let mut argv: Vec<OsString> = vec!["/proc/self/exe".into()];
    argv.extend(std::env::args_os().skip(1));
    argv.extend(["--on-stage".into(), cgroup.into()]);
    let stage = Spawn::new(Kinds::of([Kind::Pid, Kind::Mount]))
        .step(PrivateMounts)
        .step(MountProc)
        .step(Mount::tmpfs(c"/tmp", c"mode=1777"))
        .step(Exec::with_own_environment(&argv)?);
    let mut group = None;
    let mut child = stage.start_after(|first| {
        group = site.as_ref().map(|site| make_group(site, first)).transpose()?;
        Ok(())
    })?;
    let exit = child.wait()?;
    if let (Some(site), Some(group)) = (&site, group) {
        take_group_away(site, group)?;
    }
    Ok(ExitCode::from(exit.code()))
}

/// The group in which the container's group is made, so that it is found again whatever happens:
/// by a guardian that outlives the stage, whose `first` process ends last.
fn make_group(site: &Site, first: Pid) -> Result<Temporary> {
    cgroups::sweep(site);
    let accounting = Controller::accounting();
    Temporary::guarded_until(pidfd::open(first)?, site, "demo", &accounting)
}

/// The runtime may have made it in more hierarchies than we had.
fn take_group_away(site: &Site, group: Temporary) -> Result<()> {
    let name = Temporary::name("demo");
    group.remove()?;
    Group::open(site, name)?.map_or(Ok(()), |rest| rest.remove())
}

/// The demonstration does not go on when something contradicts it.
fn expect(holds: bool, claim: &str) -> Result<()> {
    holds.then_some(()).ok_or_else(|| {
        Error::new("this machine did not do what the lesson says").why(format!("expected: {claim}"))
    })
}
