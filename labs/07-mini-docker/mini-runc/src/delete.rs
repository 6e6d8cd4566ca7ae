//! Delete: whatever a container has left, in whatever state it was left.
//!
//! Each part is taken away on its own, and one that is gone already is fine: so it does not matter
//! where its maker, or an earlier delete, was killed. The directory goes last, because it knows
//! what else there is.
//!
//! Source: runtime specification, runtime.md, "Delete".

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ground::{Error, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use oci::runtime::Status;

use crate::{
    Warn, intel_rdt,
    plan::{HookPlace, StateText, run_hook},
    record::{Container, Root, word},
};

const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Deletes a container; with `force` also one that runs, is half made, or is not there at all.
///
/// # Errors
/// Without `force`: there is none, or it has not stopped.
pub(crate) fn delete(root: &Root, id: &str, force: bool, warn: Warn<'_>) -> Result<()> {
    let Some(dir) = root.dir_of(id)? else {
        return if force { Ok(()) } else { Err(root.absent(id)) };
    };
    match root.container(id) {
        Ok(container) => {
            let status = container.status();
            if status != Status::Stopped && !force {
                let error = Error::new(format!("cannot delete container {id} that is not stopped"))
                    .why(format!("container {id} is {}", word(status)));
                return Err(error.fix(format!(
                    "end it first: mini-runc kill {id} KILL; or mini-runc delete --force {id}"
                )));
            }
            destroy(&container, warn)
        }
        // Its maker was killed before the record was there: nothing but the directory was made.
        Err(_) if force => take_away(&dir),
        Err(error) => Err(error),
    }
}

/// Takes a container away, and then runs its poststop hooks: a failing one gets a warning, and does
/// not keep the others from running (runtime.md, "Lifecycle", step 13).
///
/// # Errors
/// As [`take_away`].
pub(crate) fn destroy(container: &Container, warn: Warn<'_>) -> Result<()> {
    take_apart(container)?;
    forget(&container.dir)?;
    let state = StateText::new(container.record.state(Status::Stopped));
    for (index, hook) in container.record.hooks.poststop.iter().enumerate() {
        let place = HookPlace { moment: "poststop", index };
        if let Err(error) = run_hook(place, hook, &state, (Status::Stopped, Pid::from_raw(0))) {
            warn(format!("{}: {}", error.what, error.why.unwrap_or_default()));
        }
    }
    Ok(())
}

/// Takes away process, group and directory of whatever is in a state directory. What cannot be
/// looked at is not taken for gone: the directory is the last that knows of it, so it stays.
///
/// # Errors
/// A process that does not end, a group that cannot be removed; what keeps us from looking.
pub(crate) fn take_away(dir: &Path) -> Result<()> {
    if let Some(record) = crate::record::find(dir)? {
        take_apart(&Container { dir: dir.to_owned(), record })?;
    }
    forget(dir)
}

/// Takes away process and group.
fn take_apart(container: &Container) -> Result<()> {
    end(container)?;
    // systemd may take its directories away first.
    if let Some(scope) = &container.record.scope {
        scope.end();
    }
    if let Some(group) = container.group()? {
        group.remove()?;
    }
    intel_rdt::remove(&container.record.resctrl);
    Ok(())
}

/// Takes away the directory, the last that knew of the container.
fn forget(dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir).map_err(|error| {
        Error::new("cannot remove the container's state directory")
            .io(format_args!("rmdir {}", dir.display()), &error)
    })
}

/// Kills the first process and waits until it is no more, or a zombie that its parent will reap.
fn end(container: &Container) -> Result<()> {
    let Some(pid) = container.look_for_process()? else { return Ok(()) };
    // A frozen process takes no signal on v1.
    if let Ok(Some(group)) = container.group() {
        let _ = group.thaw();
    }
    let _ = kill(pid, Signal::SIGKILL);
    let until = Instant::now() + PATIENCE;
    while container.look_for_process()?.is_some() {
        if Instant::now() > until {
            return Err(Error::new("the container does not end")
                .why(format!("process {pid} is still there {} s after SIGKILL", PATIENCE.as_secs()))
                .fix(format!(
                    "it waits for the kernel, as for a network disk: cat /proc/{pid}/stack"
                )));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    Ok(())
}
