//! exec, and the hidden verb that takes a runtime into somebody's namespaces.

use std::{
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use ground::{Error, Result};
use mini_docker::{
    bundle::ExecOptions,
    container::Record,
    engine::{self, Engine, Kept},
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
    attach::{self, Shows, Wanted},
    create::environment,
    settings, terminal,
};

/// `exec`
pub fn exec(engine: &Engine, args: &Exec) -> Result<ExitCode> {
    let record = engine.buried(engine.container(&args.container)?);
    let options = options(args)?;
    if !args.detach && !args.tty {
        return in_front(engine, &record, &options, args.interactive);
    }
    let keys = settings::detach_keys(args.detach_keys.as_deref())?;
    let wanted =
        Wanted { input: args.interactive, shows: Shows::ALL, tty: true, signals: false, keys };
    if !args.detach {
        attach::check_terminal(&wanted)?;
    }
    let signals = attach::signals()?;
    let session = engine.exec_beside(&record, &Kept { options, attached: !args.detach })?;
    if args.detach {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(attach::attach(session, wanted, &signals)?.of_visitor()?))
}

fn options(args: &Exec) -> Result<ExecOptions> {
    Ok(ExecOptions {
        args: args.command.clone(),
        env: environment(&args.env_file, &args.env)?,
        user: args.user.clone(),
        working_dir: args.workdir.clone(),
        tty: args.tty,
        console_size: args.tty.then(terminal::size).flatten(),
        privileged: args.privileged,
    })
}

/// Without a terminal the program has our streams, and nobody stands between.
fn in_front(
    engine: &Engine,
    record: &Record,
    options: &ExecOptions,
    input: bool,
) -> Result<ExitCode> {
    let signals = attach::signals()?;
    let exec = engine.exec(record, options)?;
    let mut command = exec.command(&[]);
    if !input {
        command.stdin(Stdio::null());
    }
    let status = wait(&mut command, &signals)?;
    exec.ended(code(status).into());
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
