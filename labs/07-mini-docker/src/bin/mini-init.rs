//! mini-init: PID 1 of a container, where `--init` asks for one.
//!
//! The first process of a PID namespace has two duties that most programs do not know of: it gets
//! the orphans, and has to reap them, or they stay zombies; and signals that it has no handler for
//! do nothing to it, so that a plain program as PID 1 ignores SIGTERM (pid_namespaces(7)). This one
//! does both for a program that is then an ordinary child. It is Docker's `docker-init` (tini).
//!
//! ```text
//! usage: docker-init -- COMMAND [ARG]
//! ```

use std::{
    ffi::OsString,
    io::{self, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Command, ExitCode},
};

use mini_docker::sys;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::{Pid, tcsetpgrp},
};

/// A fault of our own is no message for somebody else.
const OURS: [Signal; 7] = [
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGABRT,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

fn main() -> ExitCode {
    let words: Vec<OsString> =
        std::env::args_os().skip(1).skip_while(|word| word == "--").collect();
    let Some((program, arguments)) = words.split_first() else {
        return fail("usage: docker-init -- COMMAND [ARG]", 125);
    };
    let mut signals = SigSet::all();
    OURS.into_iter().for_each(|signal| signals.remove(signal));
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let taken = signals.thread_block().and_then(|()| SignalFd::with_flags(&signals, flags));
    let signals = match taken {
        Ok(signals) => signals,
        Err(errno) => return fail(&format!("signalfd: {errno}"), 125),
    };
    // A group of its own, so that ctrl-c in a terminal reaches the program and what it started.
    let mut command = Command::new(program);
    sys::takes_signals(&mut command);
    match command.args(arguments).process_group(0).spawn() {
        Ok(child) => {
            let child = Pid::from_raw(child.id().cast_signed());
            // ENOTTY: there is no terminal to give it.
            let _ = tcsetpgrp(io::stdin().as_fd(), child);
            ExitCode::from(serve(child, &signals))
        }
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            let what = Errno::from_raw(error.raw_os_error().unwrap_or(0)).desc();
            fail(&format!("exec {} failed: {what}", program.display()), code)
        }
    }
}

// ANCHOR: serve
/// Passes signals on and reaps, until the program has ended. Its status.
fn serve(child: Pid, signals: &SignalFd) -> u8 {
    loop {
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::NONE);
        while let Ok(Some(signal)) = signals.read_signal() {
            match i32::try_from(signal.ssi_signo) {
                Ok(number) if number == Signal::SIGCHLD as i32 => {}
                Ok(number) => sys::send_signal(child, number),
                Err(_) => {}
            }
        }
        if let Some(code) = reap(child) {
            return code;
        }
    }
}

/// Reaps whoever has ended. The program's status, if it is among them.
fn reap(child: Pid) -> Option<u8> {
    let mut code = None;
    loop {
        let ended = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::Exited(pid, status)) => (pid, status),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Err(Errno::EINTR) => continue,
            _ => return code,
        };
        if ended.0 == child {
            code = u8::try_from(ended.1).ok().or(Some(255));
        }
    }
}
// ANCHOR_END: serve

fn fail(what: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "docker-init: {what}");
    ExitCode::from(code)
}
