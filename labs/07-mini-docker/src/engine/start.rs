//! start: a monitor is executed, and everything else is its business.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::CommandExt},
    process::{Command, Stdio},
};

use ground::{Error as Report, Explanation};

use super::{Engine, Error, Result, Session, is_watched};
use crate::{
    container::{Record, Status, monitor::handover::MONITOR},
    runtime::{OURSELVES, execve},
};

/// The name by which we are the command line.
const NAME: &str = "mini-docker";

impl Engine {
    /// Starts a container and waits until its program runs. With `attached` the session then
    /// carries its output, and input for it; dropping the session ends only the input.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it runs already; else what kept its program from running,
    /// with the exit code 126 or 127 where the program was to blame.
    pub fn start(&self, record: &Record, attached: bool) -> Result<Session> {
        if is_watched(record) {
            let what = match self.truth(record.clone()).state.status {
                Status::Paused => "cannot start a paused container, try unpause instead".into(),
                _ => format!("container {} is already running", record.name),
            };
            return Err(Error::conflict(Report::new(what)));
        }
        self.bury(record)?;
        let mut arguments = vec![MONITOR, &record.id];
        arguments.extend(attached.then_some("--attached"));
        let mut session = self.execute_beside(&arguments, &[])?;
        session.await_start(record)?;
        Ok(session.listening(self.container_layout(record).dir().to_owned()))
    }

    /// The execution of a monitor in words, and what that does first.
    pub(super) fn explain_monitor(&self, id: &str) -> [Explanation; 2] {
        let call = execve(NAME.as_ref(), &self.ourselves(&[MONITOR, id]));
        [
            Explanation::new(
                call,
                "one small process watches over the container: there is no daemon",
                "2 execve",
            ),
            Explanation::new("setsid()", "it has no terminal to lose", "2 setsid"),
        ]
    }

    fn ourselves(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(OURSELVES);
        command.arg0(NAME).arg("--root").arg(self.layout.root()).args(arguments);
        command
    }

    /// Executes ourselves with these arguments, as a process that may outlive this command, and a
    /// socket to talk to it.
    pub(super) fn execute_beside(
        &self,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Result<Session> {
        let cannot = |error: std::io::Error| {
            Report::new("cannot start the monitor of the container").io(OURSELVES, &error)
        };
        let (socket, theirs) = UnixStream::pair().map_err(cannot)?;
        let mut command = self.ourselves(arguments);
        // Nothing of the caller's stays with a process that outlives it.
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir("/").env_clear();
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", path).envs(environment.iter().map(|(name, value)| (name, value)));
        let monitor = command.spawn().map_err(cannot)?;
        // Our copy of the other end went with the command, so a dead monitor is heard.
        drop(command);
        Ok(Session::of_child(socket, monitor))
    }
}
