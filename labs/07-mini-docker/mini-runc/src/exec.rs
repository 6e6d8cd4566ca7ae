//! Exec: a further program in a container that runs.
//!
//! It joins what the first process is in: control group, namespaces, root. Identity, limits and
//! filter are then set exactly as for the first (see `plan::Plan::new`): the namespaces alone would
//! leave it with the caller's powers.
//!
//! Source: runc-exec(8); setns(2).

use std::{
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use ground::{Error, Result};
use namespaces::Child;
use nix::sys::signal::Signal;
use oci::runtime::{Process, Status};
use setns::Target;

use crate::{
    Warn,
    bundle::Bundle,
    caller::Caller,
    cgroup, console,
    create::write_pid,
    plan::{ExecWishes, Joining, begin_on},
    record::{Container, word},
    remarks,
    seccomp::listener,
};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// The program, who it is and what it may.
    pub(crate) process: Process,
    /// Where its PID is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// The socket that gets the terminal's master.
    pub(crate) console_socket: Option<OwnedFd>,
    /// Descriptors besides 0, 1 and 2 that it gets.
    pub(crate) preserve_fds: u32,
    /// Who gets a descriptor of the process.
    pub(crate) pidfd_socket: Option<PathBuf>,
    /// Groups below the container's, `[CONTROLLER[,..]:]PATH`.
    pub(crate) cgroups: Vec<String>,
    /// Whether a paused container is joined, and the program waits until it is resumed.
    pub(crate) join_paused: bool,
}

/// Starts the program in a container that was made from this bundle; it runs when this returns.
///
/// # Errors
/// The container does not run; or what failed on the way in, in that step's words.
pub(crate) fn exec(
    container: &Container,
    bundle: Bundle,
    options: Options,
    warn: Warn<'_>,
) -> Result<Child> {
    let status = container.status();
    let joined = may_be_joined(status) || status == Status::Paused && options.join_paused;
    let Some(process) = container.record.process.filter(|_| joined) else {
        let what = format!("cannot exec in a {} container", word(status));
        return Err(container.refuse(what, status));
    };
    let pid = process.pid();
    let target = Target::open(pid)?;
    // Between reading the number and holding the process it may have become another's.
    if container.process().is_none() {
        return Err(container.refuse("cannot exec in a stopped container", Status::Stopped));
    }
    let bundle = bundle.with_process(options.process);
    let scope = container.record.scope.as_ref();
    let (group, parts) = cgroup::for_exec(container.group()?, scope, pid, &options.cgroups)?;
    let group_fd = group.as_ref().map_or(Ok(None), cgroups::Group::dir_fd)?;
    let wishes = ExecWishes {
        group: group.as_ref().filter(|_| group_fd.is_none()),
        parts: &parts,
        console_socket: options.console_socket,
        preserve_fds: options.preserve_fds,
    };
    let caller = Caller::look()?;
    remarks::of_process(bundle.process(), &caller).into_iter().for_each(warn);
    let mut joining = Joining::plan(&bundle, &caller, &target, wishes)?;
    joining.spawn.cgroup = group_fd.as_ref().map(AsFd::as_fd);
    begin_on(bundle.process())?;
    let child = joining.spawn.start()?;
    if let Some(profile) = &bundle.linux().seccomp {
        let told = listener::hand_over(profile, container.record.state(status), child.pid());
        // Nobody would answer its calls.
        told.inspect_err(|_| drop(child.kill(Signal::SIGKILL)))?;
    }
    joining.go()?;
    if let Some(path) = &options.pidfd_socket {
        console::send_pidfd(path, &child)?;
    }
    if let Some(path) = &options.pid_file {
        write_pid(path, child.pid())?;
    }
    Ok(child)
}

fn may_be_joined(status: Status) -> bool {
    matches!(status, Status::Running | Status::Created)
}

/// The process that `exec ID COMMAND` means: the container's own, with another program.
///
/// # Errors
/// No command.
pub(crate) fn process_like(first: &Process, args: Vec<String>) -> Result<Process> {
    if args.is_empty() {
        return Err(Error::new("there is no command to run")
            .why("exec was given a container and no command")
            .fix("mini-runc exec ID COMMAND.., or --process FILE"));
    }
    Ok(Process { args, terminal: false, console_size: None, ..first.clone() })
}
