//! A program that is tried: who starts it, for how long, and what it said.

use std::{
    fs::File,
    io::Read,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ground::{Error, Result};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::User;
use crate::sys;

/// So long may one lab take: a machine of our days needs a second, an emulated one many.
const PATIENCE: Duration = Duration::from_secs(40);

/// A program, and who starts it.
#[derive(Debug)]
pub struct Candidate {
    program: File,
    user: User,
    /// What it and its children have open, and nobody else inherits.
    pub holds: Option<OwnedFd>,
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    /// Whether its status was 0.
    pub succeeded: bool,
    /// Its standard output.
    pub said: String,
    /// Its standard error.
    pub complaint: String,
}

impl Candidate {
    /// Opens it. By descriptor: another user may not be let into the directory that it is in.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open(path: &Path, user: User) -> Result<Self> {
        let program = File::open(path).map_err(|error| {
            cannot(&error, &path.display().to_string()).fix("cargo build --workspace --bins")
        })?;
        fcntl(&program, FcntlArg::F_SETFD(FdFlag::empty()))
            .map_err(|errno| Error::new("cannot try the lab").call("fcntl(F_SETFD)", errno))?;
        Ok(Self { program, user, holds: None })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started, or does not end.
    pub fn run(&self, arguments: &[&str]) -> Result<Ran> {
        let path = format!("/proc/self/fd/{}", self.program.as_raw_fd());
        let mut command = Command::new(&path);
        command.args(arguments).current_dir("/").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("HOME", "/nonexistent");
        if let Some((uid, gid)) = self.user {
            // With another uid std drops the supplementary groups of root as well.
            command.uid(uid).gid(gid);
        }
        sys::goes_with_us(&mut command, self.holds.as_ref().map(AsRawFd::as_raw_fd));
        let mut child = command.spawn().map_err(|error| cannot(&error, &path))?;
        let (said, complaint) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let ended = wait(&mut child).map_err(|error| cannot(&error, &path))?;
        let (said, complaint) = (said.join(), complaint.join());
        let Some(succeeded) = ended else {
            return Err(Error::new("the lab did not end")
                .why(format!("it was killed after {} s", PATIENCE.as_secs()))
                .fix("run it by hand, and see where it stays"));
        };
        let (said, complaint) = (said.unwrap_or_default(), complaint.unwrap_or_default());
        Ok(Ran { succeeded, said, complaint })
    }
}

fn cannot(error: &std::io::Error, path: &str) -> Error {
    Error::new("cannot try the lab").io(format_args!("execve {path}"), error)
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Whether it ended well; `None` when it did not end in time.
fn wait(child: &mut Child) -> std::io::Result<Option<bool>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if started.elapsed() > PATIENCE {
            let group = Pid::from_raw(-child.id().cast_signed());
            let _ = kill(group, Signal::SIGKILL);
            return child.wait().map(|_| None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}
