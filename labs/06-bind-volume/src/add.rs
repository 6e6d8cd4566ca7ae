//! `lab-06 add`: a volume for a container that is running already.

use std::{
    ffi::{CStr, CString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use ground::{Error, Explanation, Narrator, Result, Step};
use namespaces::{Kind, Kinds, Spawn};
use nix::unistd::Pid;
use rootfs::Mkdir;
use setns::{Enter, Target, enter};
use volumes::{Access, Attach, Detached, Source, Spec};

use crate::run::cannot_tell;

/// What `add` understands.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A process of the container
    pid: i32,
    /// What to show in it, and where; `:ro` for read-only
    #[arg(value_name = "SRC:DST[:ro]")]
    volume: Spec,
}

/// Adds the volume; with `--explain`, tells the plan.
pub fn add(args: &Args, narrator: &mut Narrator<'_>) -> Result<()> {
    let Source::Host(source) = &args.volume.source else {
        return Err(Error::new(format!("cannot find volume {}", args.volume))
            .why("volumes with names are kept by an engine, and there is none here")
            .fix("give a path of the host: lab-06 add PID /srv/data:/data"));
    };
    let (source, target) = (c_path(source)?, c_path(&args.volume.target)?);
    if narrator.plans_only() {
        return narrator.plan(&planned(&source, &target, args.volume.access)).map_err(cannot_tell);
    }
    let process = Target::open(Pid::from_raw(args.pid))?;
    if process.elsewhere(Kinds::of([Kind::Mount]))?.is_empty() {
        return Err(Error::new(format!("process {} is in no container", args.pid))
            .why("it has our own mount table: the volume would be mounted on the host")
            .fix("name a process of the container: lab-01 ls -t mnt"));
    }
    let mut tree = Detached::open(&source)?;
    if args.volume.access == Access::ReadOnly {
        tree = tree.read_only()?;
    }
    // Ready means attached; what still stays then is killed when it is dropped.
    plan(&process, Attach::new(tree, &target), &target)?.start().map(drop)
}

/// All calls of [`add`], for a plan.
fn planned(source: &CStr, target: &CStr, access: Access) -> Vec<Explanation> {
    let mut calls = vec![Detached::explain(source)];
    if access == Access::ReadOnly {
        calls.push(Detached::read_only_explained());
    }
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
