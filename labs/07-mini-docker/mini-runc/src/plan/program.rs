//! Program: found before the container counts as created, executed when it is started.
//!
//! Whoever creates a container learns at once that its program does not exist (exit status 127) or
//! cannot be run (126); between create and start it may still change, so exec decides.

use std::rc::Rc;

use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::Exec;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use oci::runtime::Process;

use super::{Steps, seccomp::Filter};
use crate::sys;

type Done = std::result::Result<(), Errno>;

/// The program of a container, prepared.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    exec: Rc<Exec>,
    name: String,
}

impl Program {
    /// # Errors
    /// No program at all, or an argument with a NUL byte.
    pub(crate) fn new(process: &Process) -> Result<Self> {
        let Some(name) = process.args.first().filter(|name| !name.is_empty()) else {
            return Err(Error::new("there is no program to run")
                .why("config.json, process.args is empty")
                .fix("name the program and its arguments in process.args"));
        };
        let exec = Rc::new(Exec::new(&process.args, &process.env)?);
        Ok(Self { exec, name: name.clone() })
    }
}

/// The last steps before "ready".
pub(crate) fn look_up(program: &Program, preserve_fds: u32, steps: &mut Steps) {
    steps.add("lab-01", LookUp(program.clone()));
    steps.add("mini-runc", NoBlockedSignals);
    steps.add("mini-runc", CloseOnExec { first: 3 + preserve_fds });
}

/// The last steps of all.
pub(super) fn become_it(program: Program, filter: Option<Filter>, steps: &mut Steps) {
    steps.add("mini-runc", DefaultSignals);
    // Nothing but exec comes after it: the filter judges only what the program does.
    if let Some(filter) = filter {
        steps.add("mini-runc", filter);
    }
    steps.add("lab-01", Become(program));
}

/// Looks for the program as exec will.
#[derive(Debug)]
struct LookUp(Program);

impl Step for LookUp {
    fn run(&self) -> Done {
        self.0.exec.look_up()
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("access({:?} along PATH, X_OK)", self.0.name),
            "whoever creates learns at once that there is no such program",
            "2 access",
        )
    }

    fn failed(&self, errno: Errno) -> Error {
        cannot_run(&self.0, errno)
    }
}

/// The words of runc, which engines look for: Docker makes 127 and 126 of them.
fn cannot_run(program: &Program, errno: Errno) -> Error {
    let Program { exec, name } = program;
    let error = exec.failed(errno);
    let what = match errno {
        Errno::ENOENT if !name.contains('/') => "executable file not found in $PATH".to_owned(),
        Errno::ENOENT => format!("stat {name}: no such file or directory"),
        Errno::EACCES => "permission denied".to_owned(),
        other => other.desc().to_lowercase(),
    };
    Error { what: format!("exec: {name:?}: {what}"), ..error }
}

/// Becomes the program.
#[derive(Debug)]
struct Become(Program);

impl Step for Become {
    fn run(&self) -> Done {
        Err(self.0.exec.execute())
    }

    fn explain(&self) -> Explanation {
        self.0.exec.explain()
    }

    fn failed(&self, errno: Errno) -> Error {
        cannot_run(&self.0, errno)
    }
}

/// An empty signal mask: what we block while we wait is not the program's business.
#[derive(Debug)]
struct NoBlockedSignals;

impl Step for NoBlockedSignals {
    fn run(&self) -> Done {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "sigprocmask(SIG_SETMASK, [])",
            "a blocked signal stays blocked across exec: Ctrl-C would do nothing",
            "2 sigprocmask",
        )
    }
}

/// Signals as a program expects them, whatever nohup(1) or a shell's `&` had us ignore.
#[derive(Debug)]
struct DefaultSignals;

impl Step for DefaultSignals {
    fn run(&self) -> Done {
        sys::default_signals();
        Ok(())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "sigaction(SIGHUP to SIGRTMAX, SIG_DFL)",
            "an ignored signal stays ignored across exec; before the filter, which may not allow it",
            "7 signal",
        )
    }
}

/// Nothing of ours reaches the program.
#[derive(Debug)]
struct CloseOnExec {
    first: u32,
}

impl Step for CloseOnExec {
    fn run(&self) -> Done {
        // ANCHOR: close_on_exec
        match sys::cloexec_from(self.first) {
            // Before Linux 5.11: one by one, as far as descriptors may go.
            Err(Errno::ENOSYS | Errno::EINVAL) => {
                let (most, _) =
                    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)?;
                (self.first..u32::try_from(most).unwrap_or(65536).min(65536))
                    .for_each(|number| sys::cloexec(number as i32));
                Ok(())
            }
            marked => marked,
        }
        // ANCHOR_END: close_on_exec
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("close_range({}, ~0U, CLOSE_RANGE_CLOEXEC)", self.first),
            "a descriptor of a host directory would be a way out (CVE-2024-21626)",
            "2 close_range",
        )
    }
}
