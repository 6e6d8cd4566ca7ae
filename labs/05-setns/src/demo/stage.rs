//! The stage: a target in namespaces and in a control group of its own, and a /tmp for our pins.
//!
//! All of it dies with us: the mount namespace and its tmpfs, the target by its parent-death signal.
//! The control group goes when the stage is dropped, or is swept at the next start.

use std::ffi::OsString;

use cgroups::{Controller, Site, Temporary, sweep};
use ground::{Error, Result};
use namespaces::{
    Exec, Id, Kind, Kinds, Spawn,
    steps::{LoopbackUp, MountProc, PrivateMounts, SetHostname},
    witness::Witness,
};
use nix::mount::{MsFlags, mount};
use setns::Target;

use super::witness::argv;
use crate::args::Role;

/// What all scenes share. The fields are dropped in this order: a group must be empty to go.
#[derive(Debug)]
pub struct Stage {
    /// The process to follow.
    pub target: Target,
    _process: Witness,
    /// The port that the target listens on.
    pub port: u16,
    /// Its control group, or why it has none.
    pub group: Result<Temporary>,
}

/// The variable that only the target was started with.
pub const VARIABLE: &str = "LESSON=target";

/// The kinds that the target has for itself, of those that this kernel has.
pub fn kinds() -> Kinds {
    let kinds = [Kind::Mount, Kind::Uts, Kind::Ipc, Kind::Pid, Kind::Net, Kind::Cgroup];
    Kinds::of(kinds.into_iter().filter(|kind| Id::own(*kind).is_ok()))
}

/// The target without its last step.
pub fn target() -> Result<Spawn<'static>> {
    Ok(Spawn::new(kinds())
        .step(PrivateMounts)
        .step(MountProc)
        .step(SetHostname::new("target")?)
        .step(LoopbackUp))
}

impl Stage {
    /// Sets it up. We are in a mount namespace of our own already.
    ///
    /// # Errors
    /// What this machine has against the target.
    pub fn open() -> Result<Self> {
        mount(Some("lab-05"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>).map_err(
            |errno| Error::new("cannot set up the stage").call("mount(\"/tmp\", tmpfs)", errno),
        )?;
        let group = group();
        let mut spawn = target()?;
        if let Ok(group) = &group {
            for (index, step) in group.join()?.into_iter().enumerate() {
                spawn.steps.insert(index, Box::new(step));
            }
        }
        let port = 4242;
        let process = Witness::start(spawn, exec(port)?)?;
        let target = Target::open(process.pid())?;
        let ready = process.fact("ready").to_owned();
        let stage = Self { target, _process: process, port, group };
        super::check(ready == "yes", "the target reaches its place").map(|()| stage)
    }
}

fn exec(port: u16) -> Result<Exec> {
    let environment = std::env::vars_os()
        .map(|(name, value)| [name, OsString::from("="), value].into_iter().collect::<OsString>());
    let environment: Vec<OsString> = environment.chain([VARIABLE.into()]).collect();
    Exec::new(&argv(Role::Target { port }), &environment)
}

fn group() -> Result<Temporary> {
    let site = Site::find()?;
    sweep(&site);
    Temporary::guarded(&site, "target", &[Controller::Pids].into_iter().collect())
}
