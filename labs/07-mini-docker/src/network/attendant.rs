//! Attendants: small processes that answer for a container while it runs.
//!
//! The kernel leads most packets by itself. Two things need a process: names (`resolver`), and what
//! comes to a published port through the loopback interface or by IPv6 to a container without
//! (`porter`). For an ordinary user a third one keeps what all containers share (`holder`). Such a process is this program again, by exec, so that it may have an event loop
//! although its maker must not have a thread. It is told on standard input what to do, says on
//! standard output in one line that it does it, and ends when the container's monitor ends.

use std::{
    future::Future,
    io::{self, BufRead, BufReader, Read, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Child, Command, Stdio},
};

use ground::{Error, Result};
use namespaces::pidfd;
use nix::unistd::{Pid, setsid};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Starts an attendant and waits until it does what it was asked for.
///
/// # Errors
/// What it said, or that it said nothing.
pub(super) fn start<R: DeserializeOwned>(
    verb: &str,
    request: &impl Serialize,
) -> Result<(Child, R)> {
    let cannot = |error: io::Error| {
        Error::new(format!("cannot start the {verb}")).io("execute /proc/self/exe", &error)
    };
    let mut command = Command::new("/proc/self/exe");
    command.arg0("mini-docker").arg(verb).current_dir("/").env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(cannot)?;
    let told = serde_json::to_vec(request)
        .map_err(io::Error::from)
        .and_then(|json| child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(&json)));
    let mut line = String::new();
    let heard = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
    let reply = serde_json::from_str::<Reply<R>>(&line);
    match (told, heard, reply) {
        (Ok(()), Some(Ok(_)), Ok(Reply::Done(reply))) => Ok((child, reply)),
        (_, _, Ok(Reply::Failed(report))) => {
            let _ = child.wait();
            Err(Error::from_json(&report))
        }
        (told, ..) => {
            let _ = child.kill();
            let _ = child.wait();
            told.map_err(cannot)?;
            Err(Error::new(format!("the {verb} went away without a word")))
        }
    }
}

/// What an attendant says once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply<R> {
    Done(R),
    Failed(serde_json::Value),
}

/// The life of an attendant: reads what to do, prepares it, says so, and does it until the process
/// `watched` ends. A failure to prepare goes to whoever started us.
///
/// # Errors
/// When nobody can be told.
pub(super) fn attend<Q, P, R, F>(
    watched: impl FnOnce(&Q) -> i32,
    prepare: impl FnOnce(&Q) -> Result<(P, R)>,
    serve: impl FnOnce(Q, P) -> F,
) -> Result<()>
where
    Q: DeserializeOwned,
    R: Serialize,
    F: Future<Output = ()>,
{
    let request: Q = hear()?;
    let prepared = pidfd::open(Pid::from_raw(watched(&request)))
        .and_then(|monitor| prepare(&request).map(|(ready, reply)| (monitor, ready, reply)));
    let (monitor, ready, reply) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return say(&Reply::<()>::Failed(error.to_json())),
    };
    // Nobody listens: who started us was killed. What was asked for holds as long as what we watch.
    let _ = say(&Reply::Done(reply));
    fall_silent()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| told_nothing().io("epoll_create1", &error))?;
    runtime.block_on(async {
        tokio::select! {
            () = serve(request, ready) => {}
            () = end_of(monitor) => {}
        }
    });
    Ok(())
}

/// What we are to do. From here on we are in a session of our own.
///
/// # Errors
/// When nobody has said it.
pub(super) fn hear<Q: DeserializeOwned>() -> Result<Q> {
    let _ = setsid();
    let mut json = Vec::new();
    let read =
        io::stdin().read_to_end(&mut json).map_err(|error| told_nothing().io("read", &error));
    read?;
    serde_json::from_slice(&json).map_err(|error| told_nothing().why(error.to_string()))
}

fn told_nothing() -> Error {
    Error::new("this verb is for mini-docker itself")
        .why("nobody said on standard input what is to be done")
}

/// Says one line.
///
/// # Errors
/// When nobody listens any more.
pub(super) fn say(reply: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(reply)
        .map_err(|error| Error::new("cannot answer").why(error.to_string()))?;
    line.push(b'\n');
    let mut stdout = io::stdout();
    let said = stdout.write_all(&line).and_then(|()| stdout.flush());
    said.map_err(|error| Error::new("nobody listens any more").io("write", &error))
}

/// Says nothing more ever: whoever read it would wait for the end.
///
/// # Errors
/// Where there is no /dev/null.
pub(super) fn fall_silent() -> Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null");
    let silent = null.and_then(|null| {
        nix::unistd::dup2_stdin(&null)?;
        Ok(nix::unistd::dup2_stdout(&null)?)
    });
    silent.map_err(|error| Error::new("cannot fall silent").io("open /dev/null", &error))
}

/// A pidfd becomes readable when its process ends (man 2 pidfd_open).
async fn end_of(process: OwnedFd) {
    if let Ok(process) = crate::sys::watched(process) {
        let _ = process.readable().await;
    }
}
