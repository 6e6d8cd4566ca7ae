//! Start: one byte, and the program runs.
//!
//! Source: runtime specification, runtime.md, "Start".

use ground::{Error, Result};
use nix::unistd::Pid;
use oci::runtime::Status;

use crate::{
    Warn,
    caller::Caller,
    delete,
    plan::{Plan, Started, StateText, Wishes, open_gate, run_hooks},
    record::Container,
};

const STOPPED: &str = "cannot start a container that has stopped";

/// Why a container does not run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A startContainer or poststart hook failed: the container is to be destroyed (runtime.md,
    /// "Lifecycle", steps 7 and 9).
    OfHook(Error),
    /// Anything else: it stays, stopped, until it is deleted.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::OfHook(error) | Failure::Other(error) => error,
        }
    }
}

/// Starts a container whose process has another parent; what a failing hook leaves is taken away.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_or_destroy(container: &Container, warn: Warn<'_>) -> Result<()> {
    start(container).map_err(|failure| {
        if let Failure::OfHook(_) = &failure
            && let Err(error) = delete::destroy(container, warn)
        {
            warn(format!("{}: {}", error.what, error.why.unwrap_or_default()));
        }
        failure.into()
    })
}

/// Starts a created container and returns when its program runs.
///
/// # Errors
/// It is not created; or what came between create and exec failed, in that step's words.
pub(crate) fn start(container: &Container) -> std::result::Result<(), Failure> {
    let status = container.status();
    let Some(process) = container.record.process.filter(|_| status == Status::Created) else {
        let what = match status {
            Status::Running => "cannot start an already running container",
            Status::Paused => "cannot start a paused container",
            _ => STOPPED,
        };
        return Err(container.refuse(what, status).into());
    };
    match open_gate(&container.dir)? {
        Started::Running => {}
        Started::Gone => return Err(container.refuse(STOPPED, Status::Stopped).into()),
        Started::Failed(index, errno) => return Err(failure(container, index, errno)),
    }
    poststart(container, process.pid()).map_err(Failure::OfHook)
}

/// The failed step was made by another process: the same plan again tells its words.
fn failure(container: &Container, index: usize, errno: ground::Errno) -> Failure {
    let Ok(bundle) = container.bundle() else {
        return Error::new("cannot start the container").call("execve(..)", errno).into();
    };
    let state = StateText::new(container.record.state(Status::Created));
    let plan = Caller::look()
        .and_then(|caller| Plan::new(&bundle, &caller, None, Wishes::default(), &state));
    let error = match plan {
        Ok(plan) => plan.failure_of(index, errno),
        Err(_) => Error::new("cannot start the container").call("execve(..)", errno),
    };
    // The hooks are the first steps behind the gate.
    let hooks = bundle.spec.hooks.map_or(0, |hooks| hooks.start_container.len());
    if index < hooks { Failure::OfHook(error) } else { Failure::Other(error) }
}

fn poststart(container: &Container, pid: Pid) -> Result<()> {
    let (hooks, status) = (&container.record.hooks.poststart, Status::Running);
    let state = StateText::new(container.record.state(status));
    run_hooks("poststart", hooks, &state, status, pid)
}
