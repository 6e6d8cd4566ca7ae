//! A witness: this program once more, in namespaces of its own, telling what it sees.
//!
//! ```text
//!   we       clone3, steps, exec /proc/self/exe witness
//!   witness  prints its view, an empty line, and waits for the end of its input
//!   we       look at /proc/PID from outside; drop the pipe; the witness ends
//! ```

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::fd::OwnedFd,
    process::ExitCode,
};

use clap::ValueEnum;
use ground::{Error, Result};
use namespaces::{
    Child, Exec, Kind, Kinds, Spawn,
    steps::{MountProc, PrivateMounts, Redirect, Stream},
};
use nix::{
    fcntl::OFlag,
    unistd::{Pid, pipe2},
};

use super::{view::View, without_clone};
use crate::{args::Role, process};

/// A process that has told what it sees, and stays to be looked at.
#[derive(Debug)]
pub struct Witness {
    /// What it sees.
    pub view: View,
    child: Child,
    _input: OwnedFd,
}

impl Witness {
    /// Makes it; `spawn` has everything but the last step.
    ///
    /// # Errors
    /// As [`Spawn::start`].
    pub fn start(spawn: Spawn<'_>) -> Result<Self> {
        Self::start_as(Role::Look, spawn)
    }

    /// The same, with something to do before.
    ///
    /// # Errors
    /// As [`Spawn::start`].
    pub fn start_as(role: Role, spawn: Spawn<'_>) -> Result<Self> {
        let role = role.to_possible_value().map(|role| role.get_name().to_owned());
        let argv = ["/proc/self/exe", "witness", role.as_deref().unwrap_or_default()];
        let (input, our_input) = pipe()?;
        let (our_output, output) = pipe()?;
        let spawn = spawn
            .step(Redirect::new(input, Stream::Stdin))
            .step(Redirect::new(output, Stream::Stdout))
            .step(Exec::with_own_environment(&argv)?);
        let child = spawn.start()?;
        // With it goes our copy of the write end, which would keep end-of-file from arriving.
        drop(spawn);
        let lines = BufReader::new(File::from(our_output)).lines().map_while(io::Result::ok);
        let view = View::from_lines(lines.take_while(|line| !line.is_empty()));
        Ok(Self { view, child, _input: our_input })
    }

    /// Its PID, as we see it.
    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// A line of its status, as we see it.
    ///
    /// # Errors
    /// When there is none.
    pub fn status(&self, name: &str) -> Result<String> {
        status(self.pid(), name)
    }
}

/// A line of the status of any process.
///
/// # Errors
/// When there is none.
pub fn status(pid: Pid, name: &str) -> Result<String> {
    process::status(pid, name).ok_or_else(|| {
        Error::new("cannot look at the child").why(format!("no {name} in /proc/{pid}/status"))
    })
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
        .map_err(|errno| Error::new("cannot talk to the child").call("pipe2(O_CLOEXEC)", errno))
}

/// The witness's own side: tells, and waits for the end of its input.
///
/// # Errors
/// As [`View::here`], and what the kernel has against its role.
pub fn testify(role: Role) -> Result<ExitCode> {
    let mut view = View::here()?;
    let _child = match role {
        Role::Parent => Some(child_below(&mut view)?),
        Role::Unshare => without_clone::change(&mut view).map(|()| None)?,
        Role::Look => None,
    };
    let lost = |error| Error::new("cannot tell what is seen").io("write", &error);
    writeln!(io::stdout(), "{}", view.to_lines()).map_err(lost)?;
    // Whatever is read, or fails to be: the end of the input is the end of the wait.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    Ok(ExitCode::SUCCESS)
}

fn child_below(view: &mut View) -> Result<Child> {
    let spawn = Spawn::new(Kinds::of([Kind::Pid, Kind::Mount]));
    let child = spawn.step(PrivateMounts).step(MountProc).stay().start()?;
    view.add("child", child.pid());
    Ok(child)
}
