//! keep: what a further program needs that outlives the command that asked for it.
//!
//! A program in the background, or one with a terminal that somebody may let go of, needs a process
//! that holds its streams and learns its exit status: a monitor of its own, which is the same small
//! program (see [`crate::container::monitor`]). It is run by the command line under the hidden name
//! `keep`.

use std::{ffi::OsString, fs, io::Write, os::unix::net::UnixStream, path::Path, process::Stdio};

use ground::{Error as Report, Result};
use namespaces::pidfd;
use nix::{sys::prctl, unistd::setsid};
use serde::{Deserialize, Serialize};

use super::{
    Engine, Session,
    exec::{Exec, died},
    supervise::take_stdin,
};
use crate::{
    bundle::ExecOptions,
    container::{
        Frame, Record,
        monitor::{Client, Ends, Open, Task, Watch, Watched, console, handover, read_pid, see_off},
    },
    layout::Layout,
};

/// The verb of our command line that does it.
const KEEP: &str = "keep";

/// What it is told.
const TOLD: &str = "MINI_DOCKER_EXEC";

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The program.
    pub options: ExecOptions,
    /// Whether somebody stays, to see its output.
    pub attached: bool,
}

impl Engine {
    /// Runs a further program in a container, with a process that keeps it. The session carries its
    /// output if somebody stays.
    ///
    /// # Errors
    /// As [`Engine::exec`], and what kept the program from running.
    pub fn exec_beside(&self, record: &Record, kept: &Kept) -> super::Result<Session> {
        let told = serde_json::to_string(kept)
            .map_err(|error| Report::new("cannot describe the program").why(error.to_string()))?;
        let mut session = self.execute_beside(&[KEEP, &record.id], &[(TOLD, told)])?;
        session.await_start(record)?;
        Ok(session)
    }
}

/// Starts the program and keeps it. The client's socket is standard input.
///
/// # Errors
/// When not even the client can be told.
pub fn keep(root: &Path, id: &str) -> Result<()> {
    let layout = Layout::new(root);
    if let Some(watched) = Watched::learnt() {
        return ended(&layout, id, watched);
    }
    let _ = setsid();
    let client = take_stdin()?;
    match begin(&layout, id, &client) {
        Ok(watch) => {
            let _ = tell(&client, &Frame::Started);
            Err(watch.begin(&handover::small()))
        }
        Err(error) => tell(&client, &Frame::Failed(error)),
    }
}

fn begin(layout: &Layout, id: &str, client: &UnixStream) -> Result<Watch> {
    let told = std::env::var(TOLD).ok().and_then(|told| serde_json::from_str(&told).ok());
    let kept: Kept = told.ok_or_else(|| Report::new("nobody has said what to run"))?;
    let container = layout.container(id);
    let record = Record::read(&container)?.ok_or_else(|| Report::new("the container is gone"))?;
    prctl::set_child_subreaper(true)
        .map_err(|errno| Report::new("cannot watch the program").call("prctl", errno))?;
    let program = handover::ourselves()?;
    let exec = Exec::prepare(layout, &record, &kept.options).map_err(Report::from)?;
    let bundle = container.bundle();
    let console = kept.options.tty.then(|| console::Listener::bind(&bundle)).transpose()?;
    let pid_file = bundle.join(format!("exec-{}.pid", std::process::id()));
    let mut how: Vec<OsString> = vec!["--detach".into(), "--pid-file".into(), (&pid_file).into()];
    if let Some(console) = &console {
        how.extend(["--console-socket".into(), (&console.name).into()]);
    }
    let mut command = exec.command(&how);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().map_err(|error| {
        Report::new("cannot execute the runtime").io("execve", &error).see("2 execve")
    })?;
    if !status.success() {
        let unsaid = || Report::new("cannot run the program").why("the runtime did not say why");
        return Err(exec.failure().unwrap_or_else(unsaid));
    }
    let pid = read_pid(&pid_file);
    let _ = fs::remove_file(&pid_file);
    let process = pidfd::open(pid?)?;
    let ends = match console {
        Some(listener) => Ends::terminal(listener.receive()?),
        None => Ends::default(),
    };
    let is_terminal = kept.options.tty;
    let [input, output, errors] = ends.give();
    let client =
        client.try_clone().map_err(|error| Report::new("cannot wait").io("dup", &error))?;
    let task = Task {
        back: handover::words(layout.root(), &[KEEP, id]),
        wait_ms: None,
        is_terminal,
        input_once: false,
        log: None,
        check: None,
        note: exec.id().to_owned(),
    };
    let clients = kept.attached.then(|| Client::new(client)).into_iter().collect();
    let open = Open { process: Some(process), input, output, errors, listener: None, clients };
    Ok(Watch { program, task, open })
}

fn ended(layout: &Layout, id: &str, watched: Watched) -> Result<()> {
    let code = watched.exit_code.unwrap_or_default();
    if let Ok(Some(record)) = Record::read(&layout.container(id)) {
        died(layout, &record, &watched.note, code);
    }
    see_off(watched.clients, &Frame::Exited(code));
    Ok(())
}

fn tell(client: &UnixStream, frame: &Frame) -> Result<()> {
    let mut client = client;
    client
        .write_all(&frame.encode())
        .map_err(|error| Report::new("nobody listens any more").io("write", &error))
}
