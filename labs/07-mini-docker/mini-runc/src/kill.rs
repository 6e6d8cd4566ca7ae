//! Kill, pause, resume: signals, and the freezer.
//!
//! Source: runtime specification, runtime.md, "Kill"; cgroups(7), freezer.

use ground::{Error, Result};
use namespaces::pidfd;
use nix::sys::signal::Signal;
use oci::runtime::Status;

use crate::record::Container;

/// A signal by name, with or without SIG, or by number.
///
/// # Errors
/// There is none of that name or number.
pub(crate) fn parse_signal(text: &str) -> Result<Signal> {
    let by_number = text.parse::<i32>().ok().map(|number| Signal::try_from(number).ok());
    let by_name = || {
        let name = text.to_uppercase();
        let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
        name.parse().ok()
    };
    by_number.unwrap_or_else(by_name).ok_or_else(|| {
        Error::new("invalid signal")
            .why(format!("there is no signal {text:?}"))
            .see("7 signal")
            .fix("kill -l lists them: TERM, SIGTERM and 15 are the same")
    })
}

/// Sends a signal to the first process, or with `all` to every process of the group.
///
/// # Errors
/// The container has stopped; with `all`: it has no group.
pub(crate) fn kill(container: &Container, signal: Signal, all: bool) -> Result<()> {
    if all {
        return match container.group()? {
            Some(group) => group.signal_all(signal).map(drop),
            None => Err(Error::new("cannot signal all processes of the container")
                .why("it has no cgroup, and nothing else knows all of its processes")
                .fix("signal the first: in a PID namespace of its own, SIGKILL ends all of them")),
        };
    }
    let Some(pid) = container.process() else {
        return Err(Error::new("container not running")
            .why(format!("the process of {} has ended", container.record.id))
            .fix(format!("take away what is left: mini-runc delete {}", container.record.id)));
    };
    let process = pidfd::open(pid)?;
    // Between reading the number and holding the process it may have become another's.
    if container.process().is_none() {
        return Err(Error::new("container not running").why("it ended just now"));
    }
    pidfd::send_signal(&process, signal)
}

/// Freezes the container.
///
/// # Errors
/// It does not run, or has no group.
pub(crate) fn pause(container: &Container) -> Result<()> {
    match container.status() {
        Status::Running | Status::Created => freezable(container)?.freeze(),
        status => Err(container.refuse("container not running", status)),
    }
}

/// Lets it go on.
///
/// # Errors
/// It is not paused.
pub(crate) fn resume(container: &Container) -> Result<()> {
    match container.status() {
        Status::Paused => freezable(container)?.thaw(),
        status => Err(container.refuse("container not paused", status)),
    }
}

fn freezable(container: &Container) -> Result<cgroups::Group> {
    container.group()?.ok_or_else(|| {
        Error::new("cannot freeze the container")
            .why("it has no cgroup: only a group can be frozen")
            .see("7 cgroups")
            .fix("run it as root, or in a delegated cgroup")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_and_a_number() {
        for text in ["TERM", "SIGTERM", "sigterm", "15"] {
            assert_eq!(parse_signal(text).unwrap(), Signal::SIGTERM, "{text}");
        }
        for text in ["", "NOPE", "99", "-1"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
