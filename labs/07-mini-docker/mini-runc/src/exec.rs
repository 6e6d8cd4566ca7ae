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
use oci::runtime::{Process, State, Status};
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
    /// Who is told of it.
    pub(crate) told: Told,
    /// The socket that gets the terminal's master.
    pub(crate) console_socket: Option<OwnedFd>,
    /// Descriptors besides 0, 1 and 2 that it gets.
    pub(crate) preserve_fds: u32,
    /// Groups below the container's, `[CONTROLLER[,..]:]PATH`.
    pub(crate) cgroups: Vec<String>,
    /// Whether a paused container is joined, and the program waits until it is resumed.
    pub(crate) join_paused: bool,
}

/// Who is told of a program that runs.
#[derive(Debug)]
pub(crate) struct Told {
    /// Where its PID is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// Who gets a descriptor of the process.
    pub(crate) pidfd_socket: Option<PathBuf>,
}

/// Starts the program in a container that was made from this bundle; it runs when this returns.
///
/// # Errors
/// The container does not run; what failed on the way in, in that step's words; or who was to be told
/// of the program cannot be. It does not run then.
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
    let state = container.record.state(status);
    let told = begin(&joining, &bundle, state, &child).and_then(|()| tell(&options.told, &child));
    told.inspect_err(|_| end(&child))?;
    Ok(child)
}

/// Lets the program begin, once its listener knows it.
fn begin(joining: &Joining<'_>, bundle: &Bundle, state: State, child: &Child) -> Result<()> {
    if let Some(profile) = &bundle.linux().seccomp {
        // Without it nobody would answer its calls.
        listener::hand_over(profile, state, child.pid())?;
    }
    joining.go()
}

fn tell(told: &Told, child: &Child) -> Result<()> {
    if let Some(path) = &told.pidfd_socket {
        console::send_pidfd(path, child)?;
    }
    told.pid_file.as_ref().map_or(Ok(()), |path| write_pid(path, child.pid()))
}

/// Ends a program that nobody would know of: who asked for it is told that it did not start. It is not
/// waited for: in a container that is paused on v1 it ends when that goes on.
pub(crate) fn end(child: &Child) {
    let _ = child.kill(Signal::SIGKILL);
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
