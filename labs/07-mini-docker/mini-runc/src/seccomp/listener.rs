//! The listener: another program that answers the calls a filter hands it (SCMP_ACT_NOTIFY).
//!
//! ```text
//!   child                              we                             the listener
//!   seccomp(.., NEW_LISTENER) = fd     (waits for "ready")            listens at listenerPath
//!   ready ───────────────────────────> /proc/PID/fd: which one?
//!                                      pidfd_getfd(PID, fd)
//!                                      sendmsg(state, [fd]) ────────> ioctl(fd, NOTIF_RECV), ..
//!   exec: its own copy closes
//! ```
//!
//! The child cannot send the descriptor itself: its filter stands already, and who knows whether
//! sendmsg(2) is among the calls that wait for an answer. What it still does until it is ready must
//! not be: [`must_not_wait`] sees to that.
//!
//! Source: runtime specification, config-linux.md, "Seccomp", "The Container Process State";
//! seccomp_unotify(2), pidfd_getfd(2).

use std::{
    fs,
    io::{IoSlice, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use ground::{Error, Explanation, Result};
use namespaces::pidfd;
use nix::{
    sys::socket::{ControlMessage, MsgFlags, sendmsg},
    unistd::Pid,
};
use oci::runtime::{ContainerProcessState, Seccomp, SeccompAction, State};

use crate::sys;

/// What the child calls between its filter and "ready"; the first is all where no_new_privs lets
/// the filter come last.
const STILL_TO_COME: [&str; 9] = [
    "write",
    "capset",
    "prctl",
    "umask",
    "access",
    "faccessat",
    "faccessat2",
    "rt_sigprocmask",
    "close_range",
];

/// Whether any call is handed to a listener.
pub(crate) fn is_wanted(profile: &Seccomp) -> bool {
    profile.syscalls.iter().any(|rule| rule.action == SeccompAction::Notify)
}

/// Refuses a profile by which the child would wait for a listener that does not know it yet.
///
/// # Errors
/// Such a profile; one without a listener's path; a message for a listener that there is not.
pub(crate) fn check(profile: &Seccomp, no_new_privileges: bool) -> Result<()> {
    let path = profile.listener_path.as_deref().filter(|it| !it.is_empty());
    if profile.listener_metadata.is_some() && path.is_none() {
        let fix = "name the listener's socket in listenerPath, or leave listenerMetadata out";
        return Err(refused("listenerMetadata is there, and no listenerPath").fix(fix));
    }
    if profile.default_action == SeccompAction::Notify {
        let why = "defaultAction is SCMP_ACT_NOTIFY: not even the container's start would go on";
        return Err(refused(why).fix("name the calls that the listener answers, in `syscalls`"));
    }
    if !is_wanted(profile) {
        return Ok(());
    }
    if path.is_none() {
        let why = "a rule has SCMP_ACT_NOTIFY, and listenerPath is not set";
        return Err(refused(why).fix("name the socket of the program that answers"));
    }
    let waiting = &STILL_TO_COME[..if no_new_privileges { 1 } else { STILL_TO_COME.len() }];
    let notified = profile.syscalls.iter().filter(|rule| rule.action == SeccompAction::Notify);
    match notified.flat_map(|rule| &rule.names).find(|name| waiting.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(refused(&format!(
            "{name:?} has SCMP_ACT_NOTIFY, and the runtime itself calls it behind the filter"
        ))
        .fix("take it out; with process.noNewPrivileges only \"write\" is taken")),
    }
}

fn refused(why: &str) -> Error {
    Error::new("cannot hand system calls to a listener")
        .why(format!("config.json, linux.seccomp: {why}"))
        .see("2 seccomp_unotify")
}

/// Sends the listener what it needs: the descriptor that the filter of process `pid` has given it,
/// and the state of the container.
///
/// # Errors
/// Nobody listens, or the process has no such descriptor.
pub(crate) fn hand_over(profile: &Seccomp, state: State, pid: Pid) -> Result<()> {
    let Some(path) = profile.listener_path.as_deref().filter(|_| is_wanted(profile)) else {
        return Ok(());
    };
    let descriptor = take(pid)?;
    let message = ContainerProcessState {
        oci_version: state.oci_version.clone(),
        fds: vec!["seccompFd".to_owned()],
        pid: pid.as_raw(),
        metadata: profile.listener_metadata.clone().unwrap_or_default(),
        state: State { pid: Some(pid.as_raw()), ..state },
    };
    let text = serde_json::to_vec(&message).map_err(|error| cannot().why(error.to_string()))?;
    send(Path::new(path), &text, descriptor.as_raw_fd())
}

/// The call of [`hand_over`], for a plan.
pub(crate) fn explain(profile: &Seccomp) -> Option<Explanation> {
    let path = profile.listener_path.as_deref().filter(|_| is_wanted(profile))?;
    Some(Explanation::new(
        format!("pidfd_getfd(pidfd, ..); connect({path:?}); sendmsg(.., SCM_RIGHTS)"),
        "linux.seccomp.listenerPath: who answers the calls that the filter hands on gets its descriptor",
        "2 seccomp_unotify",
    ))
}

fn cannot() -> Error {
    Error::new("cannot reach the seccomp listener").see("2 seccomp_unotify")
}

/// The process's descriptor, as one of ours.
fn take(pid: Pid) -> Result<OwnedFd> {
    let directory = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&directory)
        .map_err(|error| cannot().io(format_args!("open {directory}"), &error))?;
    let is_ours = |path: &Path| {
        fs::read_link(path).is_ok_and(|it| it.as_os_str() == "anon_inode:seccomp notify")
    };
    let mut paths = entries.flatten().map(|entry| entry.path());
    let number = paths.find(|path| is_ours(path)).and_then(|path| {
        path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<RawFd>().ok())
    });
    let Some(number) = number else {
        return Err(cannot().why(format!("process {pid} has no descriptor of its filter")));
    };
    let process = pidfd::open(pid)?;
    sys::pidfd_getfd(process.as_fd(), number)
        .map_err(|errno| cannot().call(&format!("pidfd_getfd(pidfd of {pid}, {number}, 0)"), errno))
}

fn send(path: &Path, text: &[u8], descriptor: RawFd) -> Result<()> {
    let mut socket = UnixStream::connect(path).map_err(|error| {
        cannot()
            .io(
                format_args!("config.json, linux.seccomp.listenerPath: connect {}", path.display()),
                &error,
            )
            .fix("start the program that answers before the container")
    })?;
    let descriptors = [descriptor];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    let sent = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(text)], &rights, flags, None)
        .map_err(|errno| cannot().call("sendmsg(listenerPath, .., SCM_RIGHTS)", errno))?;
    socket.write_all(&text[sent..]).map_err(|error| cannot().io("write listenerPath", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(profile: serde_json::Value, no_new_privileges: bool, words: &str) {
        let profile = serde_json::from_value(profile).unwrap();
        let why = check(&profile, no_new_privileges).unwrap_err().why.unwrap();
        assert!(why.contains(words), "{why}");
    }

    #[test]
    fn nothing_may_wait_that_the_runtime_calls_itself() {
        let notify = |name: &str| {
            serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/l",
                "syscalls": [{"names": [name], "action": "SCMP_ACT_NOTIFY"}]})
        };
        refuses(notify("write"), true, "\"write\" has SCMP_ACT_NOTIFY");
        refuses(notify("capset"), false, "\"capset\" has SCMP_ACT_NOTIFY");
        for (name, no_new_privileges) in [("capset", true), ("mkdir", false)] {
            let profile = serde_json::from_value(notify(name)).unwrap();
            assert!(check(&profile, no_new_privileges).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_listener_has_a_path() {
        use serde_json::json;
        let rule = json!([{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]);
        refuses(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rule}), true, "not set");
        let metadata = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "m"});
        refuses(metadata, true, "no listenerPath");
        refuses(json!({"defaultAction": "SCMP_ACT_NOTIFY"}), true, "defaultAction");
    }
}
