//! Kill, pause, resume: signals, and the freezer.
//!
//! Source: runtime specification, runtime.md, "Kill"; cgroups(7), freezer.

use std::os::fd::{AsFd, OwnedFd};

use ground::{Errno, Error, Result};
use namespaces::pidfd;
use nix::sys::signal::Signal;
use oci::runtime::Status;

use crate::{record::Container, sys};

/// A signal by name, with or without SIG, or by number; real-time signals too, `RTMIN+3`.
///
/// # Errors
/// There is none of that name or number.
pub(crate) fn parse_signal(text: &str) -> Result<i32> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let by_name =
        || name.parse().ok().or_else(|| Some(format!("SIG{name}").parse::<Signal>().ok()? as i32));
    let last = libc::SIGRTMAX();
    real_time(name).or_else(by_name).filter(|it| (1..=last).contains(it)).ok_or_else(|| {
        Error::new("invalid signal")
            .why(format!("there is no signal {text:?}"))
            .see("7 signal")
            .fix("kill -l lists them: TERM, SIGTERM and 15 are the same")
    })
}

/// `RTMIN`, `RTMIN+3`, `RTMAX-1`: what systemd in a container is stopped with.
fn real_time(name: &str) -> Option<i32> {
    let offset = |rest: &str, sign| match rest.strip_prefix(sign) {
        Some(number) => number.parse::<i32>().ok(),
        None => rest.is_empty().then_some(0),
    };
    match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => Some(libc::SIGRTMIN() + offset(rest, '+')?),
        (_, Some(rest)) => Some(libc::SIGRTMAX() - offset(rest, '-')?),
        _ => None,
    }
}

/// Sends a signal to the first process, or with `all` to every process of the group.
///
/// # Errors
/// The container has stopped; with `all`: it has no group.
pub(crate) fn kill(container: &Container, signal: i32, all: bool) -> Result<()> {
    if all {
        return kill_all(container, signal);
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
    send(&process, signal)
}

fn kill_all(container: &Container, signal: i32) -> Result<()> {
    let Some(group) = container.group()? else {
        return Err(Error::new("cannot signal all processes of the container")
            .why("it has no cgroup, and nothing else knows all of its processes")
            .fix("signal the first: in a PID namespace of its own, SIGKILL ends all of them"));
    };
    if let Ok(signal) = Signal::try_from(signal) {
        return group.signal_all(signal).map(drop);
    }
    for pid in group.procs() {
        // One that has ended meanwhile needs no signal.
        if let Ok(process) = pidfd::open(pid) {
            send(&process, signal)?;
        }
    }
    Ok(())
}

fn send(process: &OwnedFd, signal: i32) -> Result<()> {
    match sys::pidfd_send_signal(process.as_fd(), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Error::new("cannot signal the process")
            .call(&format!("pidfd_send_signal(pidfd, {signal}, NULL, 0)"), errno)
            .see("2 pidfd_send_signal")
            .fix("signal only processes of your own, or do it as root")),
    }
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
            assert_eq!(parse_signal(text).unwrap(), libc::SIGTERM, "{text}");
        }
        for text in ["RTMIN+3", "SIGRTMIN+3", "37"] {
            assert_eq!(parse_signal(text).unwrap(), libc::SIGRTMIN() + 3, "{text}");
        }
        assert_eq!(parse_signal("RTMAX").unwrap(), libc::SIGRTMAX());
        for text in ["", "NOPE", "99", "-1", "0", "RTMIN+99", "RTMIN-1", "SIG"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
