//! The witness of this lab, as the lesson starts it.

use clap::ValueEnum;
use ground::{Error, Result};
use namespaces::{Exec, Spawn, witness::Witness};
use nix::unistd::Pid;

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
