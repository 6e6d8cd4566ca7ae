//! Joining: the plan of a further process of a container that runs.
//!
//! ```text
//! parent                                   child
//! ──────                                   ─────
//! clone3 ────────────────────────────────> group ──> namespaces and root ──> identity
//!                                          filter ──> exec
//!    <──── end of file, or the step that failed
//! ```
//!
//! With a filter that hands calls to a listener the child waits once more, behind the filter: exec
//! itself may be such a call, and the listener must have the filter's descriptor before.

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    path::PathBuf,
};

use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::Spawn;
use nix::{fcntl::OFlag, unistd};
use setns::Target;

use super::{Context, Planned, Steps, identity, join, program, seccomp, terminal};
use crate::{bundle::Bundle, caller::Caller, seccomp::listener, sys};

/// What `exec` is asked for besides the process.
#[derive(Debug)]
pub(crate) struct Wishes<'a> {
    /// The group to join by writing to its files; `None` where the child is born inside.
    pub(crate) group: Option<&'a cgroups::Group>,
    /// Files of further groups, of single controllers, to join after that one.
    pub(crate) parts: &'a [PathBuf],
    /// The socket that gets the terminal's master.
    pub(crate) console_socket: Option<OwnedFd>,
    /// Descriptors besides 0, 1 and 2 that the program gets.
    pub(crate) preserve_fds: u32,
}

/// A process that is to join.
#[derive(Debug)]
pub(crate) struct Joining<'a> {
    /// The process, with its steps in order.
    pub(crate) spawn: Spawn<'a>,
    /// The end of the pipe at which it waits for its listener.
    go: Option<OwnedFd>,
}

impl<'a> Joining<'a> {
    /// Plans a further process of a container whose first process is `target`.
    ///
    /// # Errors
    /// As [`super::Plan::new`], for what concerns a process.
    pub(crate) fn plan(
        bundle: &Bundle,
        caller: &Caller,
        target: &'a Target,
        wishes: Wishes<'_>,
    ) -> Result<Self> {
        let context = Context::of(bundle, caller);
        let mut spawn = join::running(&context, target, wishes.group, wishes.parts)?;
        let mut steps = Steps::default();
        let ready_before = spawn.steps.len();
        let go = become_the_program(&context, wishes, &mut steps)?;
        if let Some((_, waits_at)) = go {
            spawn.ready_before = Some(ready_before + waits_at);
        }
        for Planned { step, .. } in steps.0 {
            spawn.steps.push(step);
        }
        Ok(Self { spawn, go: go.map(|(go, _)| go) })
    }

    /// Lets the program begin, once its listener knows it.
    ///
    /// # Errors
    /// EPIPE: the process is gone.
    pub(crate) fn go(&self) -> Result<()> {
        let Some(go) = &self.go else { return Ok(()) };
        unistd::write(go, b"g").map(drop).map_err(|errno| {
            Error::new("cannot let the process begin").call("write(pipe, \"g\")", errno)
        })
    }
}

/// The steps behind the joins; where it waits for a listener, the other end and the step's place.
fn become_the_program(
    context: &Context<'_>,
    wishes: Wishes<'_>,
    steps: &mut Steps,
) -> Result<Option<(OwnedFd, usize)>> {
    if context.process.terminal {
        let size = context.process.console_size;
        steps.add("mini-runc", terminal::for_exec(wishes.console_socket, size)?);
    }
    let filters = seccomp::Filters::of(context)?;
    identity::steps(context, filters.with_power, steps)?;
    let program = program::Program::new(context.process)?;
    program::look_up(&program, wishes.preserve_fds, steps);
    if let Some(filter) = filters.when_created {
        steps.add("mini-runc", filter);
    }
    let mut waits = None;
    if context.linux.seccomp.as_ref().is_some_and(listener::is_wanted) {
        let (step, go) = WaitForListener::new()?;
        waits = Some((go, steps.0.len()));
        steps.add("mini-runc", step);
    }
    program::become_it(program, filters.at_start, steps);
    Ok(waits)
}

/// Waits for one byte; end of file when the parent has died.
#[derive(Debug)]
struct WaitForListener {
    read: OwnedFd,
    /// The child's copy of the parent's end.
    others: RawFd,
}

impl WaitForListener {
    fn new() -> Result<(Self, OwnedFd)> {
        let (read, go) = unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
            Error::new("cannot wait for the listener").call("pipe2(O_CLOEXEC)", errno)
        })?;
        Ok((Self { read, others: go.as_raw_fd() }, go))
    }
}

impl Step for WaitForListener {
    fn run(&self) -> std::result::Result<(), Errno> {
        // Our copy would keep end-of-file from arriving.
        sys::close(self.others);
        loop {
            match unistd::read(self.read.as_fd(), &mut [0]) {
                Err(Errno::EINTR) => {}
                // The parent is gone, and with it whoever would have told the listener.
                Ok(0) => return Err(Errno::EPIPE),
                read => return read.map(drop),
            }
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "read(pipe, .., 1)",
            "linux.seccomp.listenerPath: exec may be a call that waits for the listener",
            "2 seccomp_unotify",
        )
    }
}
