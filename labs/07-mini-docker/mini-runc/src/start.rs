//! Start: one byte, and the program runs.
//!
//! Source: runtime specification, runtime.md, "Start".

use ground::{Error, Result};
use nix::unistd::Pid;
use oci::runtime::Status;

use crate::{
    Warn,
    caller::Caller,
    plan::{Plan, Started, StateText, Wishes, open_gate, run_hooks},
    record::Container,
};

const STOPPED: &str = "cannot start a container that has stopped";

/// Starts a created container and returns when its program runs.
///
/// # Errors
/// It is not created; or what came between create and exec failed, in that step's words.
pub(crate) fn start(container: &Container, warn: Warn<'_>) -> Result<()> {
    let status = container.status();
    let Some(pid) = container.process().filter(|_| status == Status::Created) else {
        return Err(container.refuse(
            match status {
                Status::Running | Status::Paused => "cannot start an already running container",
                _ => STOPPED,
            },
            status,
        ));
    };
    match open_gate(&container.dir)? {
        Started::Running => {}
        Started::Gone => return Err(container.refuse(STOPPED, Status::Stopped)),
        Started::Failed(index, errno) => return Err(failure(container, index, errno)),
    }
    poststart(container, pid, warn)
}

/// The failed step was made by another process: the same plan again tells its words.
fn failure(container: &Container, index: usize, errno: ground::Errno) -> Error {
    let plan = container.bundle().and_then(|bundle| {
        let state = StateText::new(container.record.state(Status::Created));
        Plan::new(&bundle, &Caller::look()?, None, Wishes::default(), &state)
    });
    match plan {
        Ok(plan) => plan.failure_of(index, errno),
        Err(_) => Error::new("cannot start the container").call("execve(..)", errno),
    }
}

/// "If any poststart hook fails, the runtime must log a warning, and go on" (runtime.md, step 9).
fn poststart(container: &Container, pid: Pid, warn: Warn<'_>) -> Result<()> {
    let bundle = container.bundle()?;
    let Some(hooks) = &bundle.spec.hooks else { return Ok(()) };
    let state = StateText::new(container.record.state(Status::Running));
    if let Err(error) = run_hooks("poststart", &hooks.poststart, &state, Status::Running, pid) {
        warn(format!("{}: {}", error.what, error.why.unwrap_or_default()));
    }
    Ok(())
}
