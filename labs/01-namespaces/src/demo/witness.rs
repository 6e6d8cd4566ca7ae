//! The witness of this lab, in one of three roles.

use std::{io, process::ExitCode};

use clap::ValueEnum;
use ground::{Error, Result};
use namespaces::{
    Child, Exec, Kind, Kinds, Spawn,
    steps::{MountProc, PrivateMounts},
    witness::{self, Witness},
};
use nix::unistd::Pid;

use super::{user, view, without_clone};
use crate::{args::Role, process};

/// Starts one that only looks; `spawn` has everything but the last step.
///
/// # Errors
/// As [`Spawn::start`].
pub fn look(spawn: Spawn<'_>) -> Result<Witness> {
    start(Role::Look, spawn)
}

/// Starts one that does something before it looks.
///
/// # Errors
/// As [`Spawn::start`].
pub fn start(role: Role, spawn: Spawn<'_>) -> Result<Witness> {
    let role = role.to_possible_value().map(|role| role.get_name().to_owned());
    let argv = ["/proc/self/exe", "witness", role.as_deref().unwrap_or_default()];
    Witness::start(spawn, Exec::with_own_environment(&argv)?)
}

/// A line of the status of a process.
///
/// # Errors
/// When there is none.
pub fn status(pid: Pid, name: &str) -> Result<String> {
    process::status(pid, name).ok_or_else(|| {
        Error::new("cannot look at the child").why(format!("no {name} in /proc/{pid}/status"))
    })
}

/// The witness's own side.
///
/// # Errors
/// As [`view::here`], and what the kernel has against its role.
pub fn testify(role: Role) -> Result<ExitCode> {
    let mut facts = view::here()?;
    let _child = match role {
        Role::Look => None,
        Role::Rename => {
            user::try_host_name(&mut facts);
            None
        }
        Role::Parent => Some(child_below(&mut facts)?),
        Role::Unshare => without_clone::change(&mut facts).map(|()| None)?,
    };
    witness::testify(&facts, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
}

fn child_below(facts: &mut witness::Facts) -> Result<Child> {
    let spawn = Spawn::new(Kinds::of([Kind::Pid, Kind::Mount]));
    let child = spawn.step(PrivateMounts).step(MountProc).stay().start()?;
    facts.insert("child".to_owned(), child.pid().to_string());
    Ok(child)
}
