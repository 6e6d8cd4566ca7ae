//! A command in a group: it enters by itself before it becomes the command, so that nothing it forks
//! is born outside; and it is killed when we die (`PR_SET_PDEATHSIG`).

use std::{ffi::OsString, os::fd::OwnedFd};

use cgroups::Group;
use ground::Result;
use namespaces::{
    Exec, Kinds, Spawn,
    steps::{Redirect, Stream},
};

/// The child that becomes `command` inside `group`; with `stdout`, it writes there.
pub fn spawn(
    group: Option<&Group>,
    command: &[OsString],
    stdout: Option<OwnedFd>,
) -> Result<Spawn<'static>> {
    let mut spawn = Spawn::new(Kinds::NONE);
    for join in group.map(Group::join).transpose()?.into_iter().flatten() {
        spawn = spawn.step(join);
    }
    if let Some(stdout) = stdout {
        spawn = spawn.step(Redirect::new(stdout, Stream::Stdout));
    }
    Ok(spawn.step(Exec::with_own_environment(command)?))
}
