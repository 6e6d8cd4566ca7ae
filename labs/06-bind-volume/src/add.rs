//! `lab-06 add`: a volume for a container that is running already.

use std::{
    ffi::{CStr, CString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use ground::{Errno, Error, Explanation, Narrator, Result, Step};
use namespaces::{Kind, Kinds, Spawn, rootless, steps::PrivateMounts};
use nix::unistd::{Pid, geteuid};
use rootfs::Mkdir;
use setns::{BecomeRoot, Enter, Target, Way, enter};
use volumes::{Access, Attach, Detached, Spec};

use crate::{container::host_path, run::cannot_tell};

/// What `add` understands.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A process of the container
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pid: i32,
    /// What to show in it, and where; `:ro` for read-only
    #[arg(value_name = "SRC:DST[:ro]")]
    volume: Spec,
}

/// Adds the volume; with `--explain`, tells the plan.
pub fn add(args: &Args, narrator: &mut Narrator<'_>) -> Result<()> {
    let (source, target) = (c_path(host_path(&args.volume)?)?, c_path(&args.volume.target)?);
    let ordinary = !geteuid().is_root();
    if narrator.plans_only() {
        let mut calls = if ordinary { power_explained() } else { Vec::new() };
        calls.extend(planned(&source, &target, args.volume.access));
        return narrator.plan(&calls).map_err(cannot_tell);
    }
    let process = Target::open(Pid::from_raw(args.pid))?;
    let elsewhere =
        process.elsewhere(Kinds::of([Kind::Mount])).map_err(|error| match ordinary {
            true => Error { why: error.why, ..not_yours(&process) },
            false => error,
        })?;
    if elsewhere.is_empty() {
        return Err(Error::new(format!("process {} is in no container", args.pid))
            .why("it has our own mount table: the volume would be mounted on the host")
            .fix("name a process of the container: lab-01 ls -t mnt"));
    }
    if ordinary {
        take_power(&process)?;
    }
    let mut tree = Detached::open(&source)?;
    if args.volume.access == Access::ReadOnly {
        tree = tree.read_only()?;
    }
    // Ready means attached; what still stays then is killed when it is dropped.
    plan(&process, Attach::new(tree, &target), &target)?.start().map(drop)
}

/// An ordinary user has power over a mount table only in a user namespace of their own. The
/// container's is one; from inside, a copy of the host's mount table still shows the source.
fn take_power(process: &Target) -> Result<()> {
    let user = Kinds::of([Kind::User]);
    if process.elsewhere(user)?.is_empty() {
        return Err(not_yours(process));
    }
    let mut steps = Way::best().steps(process, user)?;
    steps.push(Box::new(BecomeRoot::of(process)));
    for step in steps {
        step.run().map_err(|errno| match errno {
            Errno::EPERM => not_yours(process),
            errno => step.failed(errno),
        })?;
    }
    rootless::enter(Kinds::of([Kind::Mount])).map(drop)
}

fn not_yours(process: &Target) -> Error {
    Error::new(format!("cannot add a volume to process {}", process.pid()))
        .why("its user namespace is not yours, and only root has power over what others made")
        .fix("add to a container that you started as this user, or use sudo")
}

/// The calls of [`take_power`].
fn power_explained() -> Vec<Explanation> {
    vec![
        Explanation::new(
            "setns(pidfd, CLONE_NEWUSER)",
            "an ordinary user has power over mounts only in a user namespace, and this is the one",
            "2 setns",
        ),
        Explanation::new(
            "unshare(CLONE_NEWNS)",
            "a copy of our mount table that we may clone from, because this namespace owns it",
            "2 unshare",
        ),
        PrivateMounts.explain(),
    ]
}

/// All calls of [`add`], for a plan.
pub fn planned(source: &CStr, target: &CStr, access: Access) -> Vec<Explanation> {
    let mut calls = vec![Detached::explain(source)];
    if access == Access::ReadOnly {
        calls.push(Detached::read_only_explained());
    }
    calls.push(Spawn::new(Kinds::NONE).clone_explained());
    calls.push(Explanation::new(
        "setns(pidfd, CLONE_NEWNS)",
        "the descriptor comes along into the container's mount table; paths do not",
        "2 setns",
    ));
    calls.push(mount_point(target).explain());
    calls.push(Attach::explained("tree", target));
    calls
}

fn mount_point(target: &CStr) -> Mkdir {
    Mkdir::new(target, 0o755, "the mount point, in the container")
}

/// A process that carries the detached tree into the container's mount namespace, attaches it
/// there, and stays.
pub fn plan<'a>(process: &'a Target, attach: Attach, target: &CStr) -> Result<Spawn<'a>> {
    let spawn = enter(process, &Enter::kinds(Kinds::of([Kind::Mount])))?;
    Ok(spawn.step(mount_point(target)).step(attach).stay())
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::new("a path has no NUL byte"))
}
