//! exec, and the hidden verb that takes a runtime into somebody's namespaces.

use std::{
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use ground::{Error, Result};
use mini_docker::{
    bundle::ExecOptions,
    engine::{self, Engine},
    runtime::OWN_NAME,
};
use nix::{
    sys::{
        signal::{Signal, kill},
        signalfd::SignalFd,
    },
    unistd::Pid,
};

use super::{
    args::{Exec, Inside},
    attach,
    create::env_entry,
};

/// `exec`
pub fn exec(engine: &Engine, args: &Exec) -> Result<ExitCode> {
    let record = engine.truth(engine.container(&args.container)?);
    let wanted = ExecOptions {
        args: args.command.clone(),
        env: args.env.iter().filter_map(|entry| env_entry(entry)).collect(),
        user: args.user.clone(),
        working_dir: args.workdir.clone(),
        tty: args.tty,
        privileged: args.privileged,
    };
    let signals = attach::signals()?;
    let mut exec = engine.exec(&record, &wanted, args.detach)?;
    if !args.interactive || args.detach {
        exec.command.stdin(Stdio::null());
    }
    if args.detach {
        exec.command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    let status = wait(&mut exec.command, &signals)?;
    match exec.failure().filter(|_| !status.success()) {
        Some(error) if exec.failure_is_told() => Ok(ExitCode::from(error.exit_code)),
        Some(error) => Err(error),
        None => Ok(ExitCode::from(code(status))),
    }
}

/// Runs a command to its end, passing our signals on.
fn wait(command: &mut Command, signals: &SignalFd) -> Result<ExitStatus> {
    use std::os::fd::AsFd;
    let cannot = |error: std::io::Error| {
        Error::new("cannot execute the runtime").io("execve", &error).see("2 execve")
    };
    let mut child = command.spawn().map_err(cannot)?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let pidfd = namespaces::pidfd::open(pid)?;
    loop {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [
            PollFd::new(pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        let _ = poll(&mut fds, PollTimeout::NONE);
        while let Ok(Some(signal)) = signals.read_signal() {
            let signal =
                i32::try_from(signal.ssi_signo).ok().and_then(|it| Signal::try_from(it).ok());
            let _ = signal.map(|signal| kill(pid, signal));
        }
        if let Some(status) = child.try_wait().map_err(cannot)? {
            return Ok(status);
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// `inside PID RUNTIME ARGS`
pub fn inside(args: &Inside) -> Result<ExitCode> {
    engine::join(args.pid, &[namespaces::Kind::User])?;
    let Some((program, rest)) = args.command.split_first() else { return Ok(ExitCode::FAILURE) };
    if program == OWN_NAME {
        return Ok(crate::mini_runc(args.command.clone()));
    }
    let error = Command::new(program).args(rest).exec();
    Err(Error::new(format!("cannot execute {}", program.display())).io("execve", &error))
}
