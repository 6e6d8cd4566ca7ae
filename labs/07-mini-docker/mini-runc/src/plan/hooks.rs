//! Hooks: programs at fixed moments, with the container's state on their standard input.
//!
//! | hook | moment | runs in |
//! |---|---|---|
//! | prestart, createRuntime | namespaces exist, no mount yet | the runtime's namespaces |
//! | createContainer | mounted, before the pivot | the container's, with the host's paths |
//! | startContainer | after `start`, before the program | the container's |
//! | poststart | the program runs | the runtime's |
//! | poststop | the container is deleted | the runtime's |
//!
//! Source: runtime specification, config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle".

use std::{
    fmt,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::Exec;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        memfd::{MFdFlags, memfd_create},
        signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask},
        wait::{WaitStatus, waitpid},
    },
    unistd::{self, Pid, Whence, getpid, lseek},
};
use oci::runtime::{Hook, Hooks, State, Status};

use super::{Context, Steps};
use crate::sys;

/// The moments, in their order.
pub(crate) const ALL: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

type Done = std::result::Result<(), Errno>;

/// The state as JSON, cut where the pid belongs: only the child knows its own.
#[derive(Debug, Clone)]
pub(crate) struct StateText {
    state: State,
}

impl StateText {
    pub(crate) fn new(state: State) -> Self {
        Self { state }
    }

    /// Everything after `"pid":N,`.
    fn rest(&self, status: Status) -> Result<String> {
        let state = State { pid: None, status, ..self.state.clone() };
        let text = serde_json::to_string(&state).map_err(|error| {
            Error::new("cannot write the state for a hook").why(error.to_string())
        })?;
        Ok(text[1..].to_owned())
    }
}

/// What a hook must be, before anything is made: those after the container's end are run when nobody
/// can give them back any more.
///
/// # Errors
/// A hook with a relative path, or with no time at all.
pub(super) fn check_all(hooks: &Hooks) -> Result<()> {
    let moments = [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("startContainer", &hooks.start_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ];
    let mut all = moments.into_iter().flat_map(|(moment, hooks)| {
        hooks.iter().enumerate().map(move |(index, hook)| (Place { moment, index }, hook))
    });
    all.try_for_each(|(place, hook)| check(place, hook))
}

/// Where in config.json a hook is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its list.
    pub(crate) moment: &'static str,
    /// Which one of it.
    pub(crate) index: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config.json, hooks.{}[{}]", self.moment, self.index)
    }
}

fn check(place: Place, hook: &Hook) -> Result<()> {
    let moment = place.moment;
    if !hook.path.starts_with('/') {
        return Err(Error::new(format!("cannot run the {moment} hook"))
            .why(format!("{place}: the path {:?} is not absolute", hook.path))
            .fix("write the whole path, from \"/\" on"));
    }
    if hook.timeout == Some(0) {
        return Err(Error::new(format!("cannot run the {moment} hook"))
            .why(format!("{place}: the timeout is 0"))
            .fix("give at least a second, or leave it out: then it may take as long as it likes"));
    }
    Ok(())
}

/// # Errors
/// A hook with a relative path.
pub(super) fn create_container(
    context: &Context<'_>,
    state: &StateText,
    steps: &mut Steps,
) -> Result<()> {
    let hooks = context.spec.hooks.iter().flat_map(|it| &it.create_container);
    for (index, hook) in hooks.enumerate() {
        let place = Place { moment: "createContainer", index };
        steps.add("mini-runc", RunHook::new(place, hook, state, Status::Creating)?);
    }
    Ok(())
}

/// # Errors
/// A hook with a relative path.
pub(super) fn start_container(
    context: &Context<'_>,
    state: &StateText,
    steps: &mut Steps,
) -> Result<()> {
    let hooks = context.spec.hooks.iter().flat_map(|it| &it.start_container);
    for (index, hook) in hooks.enumerate() {
        let place = Place { moment: "startContainer", index };
        steps.add("mini-runc", RunHook::new(place, hook, state, Status::Created)?);
    }
    Ok(())
}

/// Runs the hooks of one moment in the runtime's namespaces, in order; the first that fails ends it.
///
/// # Errors
/// A hook that cannot be run, ends with another status than 0, or takes longer than its timeout.
pub(crate) fn run(
    moment: &'static str,
    hooks: &[Hook],
    state: &StateText,
    status: Status,
    pid: Pid,
) -> Result<()> {
    let mut all = hooks.iter().enumerate();
    all.try_for_each(|(index, hook)| run_one(Place { moment, index }, hook, state, (status, pid)))
}

/// Runs one hook in the runtime's namespaces.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_one(
    place: Place,
    hook: &Hook,
    state: &StateText,
    (status, pid): (Status, Pid),
) -> Result<()> {
    let step = RunHook::new(place, hook, state, status)?;
    step.run_for(pid).map_err(|errno| step.failed(errno))
}

/// The calls of [`run`], for a plan.
pub(crate) fn told(moment: &str, hooks: &[Hook]) -> Vec<Explanation> {
    hooks.iter().map(|hook| explained(moment, &hook.path)).collect()
}

fn explained(moment: &str, path: &str) -> Explanation {
    Explanation::new(
        format!("fork(); execve({path:?}, ..); waitpid()"),
        format!("hooks.{moment} of config.json, with the state on standard input"),
        "2 fork",
    )
}

/// One hook, prepared.
#[derive(Debug)]
struct RunHook {
    place: Place,
    path: String,
    exec: Exec,
    state: String,
    timeout_s: Option<u64>,
}

impl RunHook {
    fn new(place: Place, hook: &Hook, state: &StateText, status: Status) -> Result<Self> {
        check(place, hook)?;
        let path = hook.path.clone();
        let argv = if hook.args.is_empty() { vec![path.clone()] } else { hook.args.clone() };
        let exec = Exec::of(&path, &argv, &hook.env)?;
        Ok(Self { place, path, exec, state: state.rest(status)?, timeout_s: hook.timeout })
    }

    /// EREMOTEIO stands for a hook that failed, ETIME for one that took too long.
    fn run_for(&self, pid: Pid) -> Done {
        let stdin = memfd_create(c"state", MFdFlags::MFD_CLOEXEC)?;
        let mut digits = [0; 24];
        for part in [b"{\"pid\":", decimal(pid.as_raw(), &mut digits), b",", self.state.as_bytes()]
        {
            write_all(&stdin, part)?;
        }
        lseek(&stdin, 0, Whence::SeekSet)?;
        let hook = sys::fork_and(|| {
            // What we block to hand it on is not the hook's business.
            let open = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
            if open.is_ok() && unistd::dup2_stdin(&stdin).is_ok() {
                let _ = self.exec.run();
            }
        })?;
        self.wait(hook)
    }

    /// Reaps the hook, and does not return before it has ended: what fails on our side ends it.
    fn wait(&self, hook: Pid) -> Done {
        if let Err(errno) = self.timeout_s.map_or(Ok(()), |timeout_s| await_end(hook, timeout_s)) {
            let _ = kill(hook, Signal::SIGKILL);
            while waitpid(hook, None) == Err(Errno::EINTR) {}
            return Err(errno);
        }
        loop {
            match waitpid(hook, None) {
                Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
                Ok(_) => return Err(Errno::EREMOTEIO),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Waits until a process has ended, without reaping it; ETIME when it has not in time.
fn await_end(process: Pid, timeout_s: u64) -> Done {
    let pidfd = sys::pidfd_open(process)?;
    let (since, patience) = (Instant::now(), Duration::from_secs(timeout_s));
    loop {
        let left = patience.saturating_sub(since.elapsed());
        // Rounded up: with nothing left of a millisecond it would not wait at all.
        let milliseconds = left.as_millis().saturating_add(1).min(i32::MAX as u128) as i32;
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if since.elapsed() >= patience => return Err(Errno::ETIME),
            Ok(0) | Err(Errno::EINTR) => {}
            ended => return ended.map(drop),
        }
    }
}

impl Step for RunHook {
    fn run(&self) -> Done {
        self.run_for(getpid())
    }

    fn explain(&self) -> Explanation {
        explained(self.place.moment, &self.path)
    }

    fn failed(&self, errno: Errno) -> Error {
        let why = match errno {
            Errno::EREMOTEIO => {
                format!("{} ended with an error; what it said stands above", self.path)
            }
            Errno::ETIME => {
                format!("{} took longer than {} s", self.path, self.timeout_s.unwrap_or_default())
            }
            other => format!("{}: {other:?} ({})", self.path, other.desc()),
        };
        Error::new(format!("error running {} hook", self.place.moment))
            .why(format!("{}: {why}", self.place))
            .fix("run it by hand with the output of `mini-runc state ID` on its standard input")
    }
}

fn write_all(to: impl AsFd, mut bytes: &[u8]) -> Done {
    while !bytes.is_empty() {
        match unistd::write(&to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A number in text, without allocating.
fn decimal(number: i32, digits: &mut [u8; 24]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_text() {
        let text = |number| String::from_utf8(decimal(number, &mut [0; 24]).to_vec()).unwrap();
        assert_eq!(text(0), "0");
        assert_eq!(text(4711), "4711");
        assert_eq!(text(i32::MAX), "2147483647");
    }

    #[test]
    fn a_hook_reads_the_state_with_a_pid() {
        let state = StateText::new(State {
            oci_version: "1.2.0".to_owned(),
            id: "box".to_owned(),
            status: Status::Creating,
            pid: None,
            bundle: "/b".to_owned(),
            annotations: Default::default(),
        });
        let text = format!("{{\"pid\":7,{}", state.rest(Status::Created).unwrap());
        let state: State = serde_json::from_str(&text).unwrap();
        assert_eq!((state.pid, state.status), (Some(7), Status::Created));
    }
}
