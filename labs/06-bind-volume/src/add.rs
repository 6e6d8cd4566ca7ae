//! `lab-06 add`: a volume for a container that is running already.

use std::{
    ffi::{CStr, CString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use ground::{Error, Narrator, Result};
use namespaces::{Kind, Kinds, Spawn};
use nix::unistd::Pid;
use rootfs::Mkdir;
use setns::{Enter, Target, enter};
use volumes::{Access, Attach, Detached, SetReadOnly, Source, Spec};

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
        let plan = [Detached::explain(&source)];
        return narrator.plan(&plan).map_err(cannot_tell);
    }
    let process = Target::open(Pid::from_raw(args.pid))?;
    let attach = Attach::new(Detached::open(&source)?, &target);
    // Ready means attached; what still stays then is killed when it is dropped.
    plan(&process, attach, &target, args.volume.access)?.start().map(drop)
}

/// A process that carries the detached tree into the container's mount namespace, attaches it
/// there, and stays.
pub fn plan<'a>(
    process: &'a Target,
    attach: Attach,
    target: &CStr,
    access: Access,
) -> Result<Spawn<'a>> {
    let mut spawn = enter(process, &Enter::kinds(Kinds::of([Kind::Mount])))?
        .step(Mkdir::new(target, 0o755, "the mount point, in the container"))
        .step(attach);
    if access == Access::ReadOnly {
        spawn = spawn.step(SetReadOnly::new(target));
    }
    Ok(spawn.stay())
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::new("a path has no NUL byte"))
}
