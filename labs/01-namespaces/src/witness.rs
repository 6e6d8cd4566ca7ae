//! A witness: a process in other namespaces that tells what it sees, and stays to be looked at.
//!
//! What a namespace holds can be asked from outside (`/proc/PID`) or from inside (system calls); a
//! proof needs both of one process at one moment. The witness is the asking program once more:
//!
//! ```text
//!   we       clone3, steps, execve ─────> the program, in its role
//!   we       <── name=value lines, an empty line ── testify
//!   we       look at /proc/PID; drop the witness: end of its input ──> it ends
//! ```

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::fd::OwnedFd,
};

use ground::{Error, Result};
use nix::{
    fcntl::OFlag,
    unistd::{Pid, pipe2},
};

use crate::{
    Child, Exec, Spawn,
    steps::{Redirect, Stream},
};

/// What a witness sees, by name.
pub type Facts = BTreeMap<String, String>;

/// A process that has told its facts and waits.
#[derive(Debug)]
pub struct Witness {
    /// What it told; empty when it ended without a word.
    pub facts: Facts,
    child: Child,
    _input: OwnedFd,
}

impl Witness {
    /// Makes it, and waits until it has told: `spawn` has everything but the last step, `exec` is
    /// that.
    ///
    /// # Errors
    /// As [`Spawn::start`].
    pub fn start(spawn: Spawn<'_>, exec: Exec) -> Result<Self> {
        let (input, our_input) = pipe()?;
        let (our_output, output) = pipe()?;
        let spawn = spawn
            .step(Redirect::new(input, Stream::Stdin))
            .step(Redirect::new(output, Stream::Stdout))
            .step(exec);
        let child = spawn.start()?;
        // With it goes our copy of the write end, which would keep end-of-file from arriving.
        drop(spawn);
        let lines = BufReader::new(File::from(our_output)).lines().map_while(io::Result::ok);
        let facts = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
            line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        Ok(Self { facts: facts.collect(), child, _input: our_input })
    }

    /// Its PID, as we see it.
    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// One of its facts; empty where it did not tell.
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// The witness's side: tells its facts, then waits until nobody wants it any more.
///
/// # Errors
/// When nobody listens.
pub fn testify(facts: &Facts, to: &mut dyn Write) -> Result<()> {
    let lines: String = facts.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    writeln!(to, "{lines}")
        .and_then(|()| to.flush())
        .map_err(|error| Error::new("cannot tell what is seen").io("write", &error))?;
    // Whatever is read, or fails to be: the end of the input is the end of the wait.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
        .map_err(|errno| Error::new("cannot talk to the child").call("pipe2(O_CLOEXEC)", errno))
}
