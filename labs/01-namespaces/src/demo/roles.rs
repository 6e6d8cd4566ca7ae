//! The witness's own side, in one of its roles.

use std::{io, process::ExitCode};

use ground::Result;
use namespaces::{
    Child, Kind, Kinds, Spawn,
    steps::{MountProc, PrivateMounts},
    witness,
};

use super::{user, view, without_clone};
use crate::args::Role;

/// Does what the role asks for, and says what it sees.
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
