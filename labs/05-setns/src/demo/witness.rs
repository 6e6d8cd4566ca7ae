//! The processes of the demonstration as the lesson starts them, each this program in another role.

use ground::Result;
use namespaces::{Exec, Spawn, witness::Witness};

use crate::args::Role;

/// The command line of a role.
pub fn argv(role: Role) -> Vec<String> {
    let role = match role {
        Role::Target { port } => vec!["target".to_owned(), port.to_string()],
        Role::Look => vec!["look".to_owned()],
        Role::Connect { port } => vec!["connect".to_owned(), port.to_string()],
        Role::JoinPid { pid } => vec!["join-pid".to_owned(), pid.to_string()],
        Role::JoinAs { pid, threads } => {
            vec!["join-as".to_owned(), pid.to_string(), threads.to_string()]
        }
        Role::Make => vec!["make".to_owned()],
    };
    ["/proc/self/exe", "witness"].map(str::to_owned).into_iter().chain(role).collect()
}

/// Starts a process in a role; `spawn` has everything but the last step.
///
/// # Errors
/// As [`Spawn::start`].
pub fn start(role: Role, spawn: Spawn<'_>) -> Result<Witness> {
    Witness::start(spawn, Exec::with_own_environment(&argv(role))?)
}
