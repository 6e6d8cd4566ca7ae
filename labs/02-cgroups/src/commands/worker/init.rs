//! A small init, as tini is one: it reaps whatever becomes its child, and passes SIGTERM on.

use std::process::{Command, ExitCode, Stdio};

use ground::{Error, Result};
use namespaces::{Child, Exec, Kind, Kinds, Signals, Spawn, rootless};
use nix::{
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

use super::{own_program, say};

/// The process outside: it makes the namespace and waits.
pub fn container() -> Result<ExitCode> {
    let signals = Signals::hold()?;
    rootless::enter(Kinds::NONE)?;
    let command = [own_program()?, "init".into()];
    let init = Spawn::new(Kinds::of([Kind::Pid])).step(Exec::with_own_environment(&command)?);
    let exit = signals.wait(&mut init.start()?)?;
    Ok(ExitCode::from(exit.code()))
}

/// PID 1 of a container with two applications.
pub fn init() -> Result<ExitCode> {
    // It waits until we ask; PID 1 has no default actions.
    let asked: SigSet = [Signal::SIGTERM].into_iter().collect();
    asked.thread_block().map_err(|errno| refused("sigprocmask", errno))?;
    let mut applications = [application()?, application()?];
    let orphan = orphan()?;
    let reaped = reap(orphan)?;
    let [first, second] = applications.each_ref().map(Child::pid);
    say(&format!("{} {first} {second} {orphan} {reaped}", getpid()))?;
    let signal = asked.wait().map_err(|errno| refused("sigwait", errno))?;
    applications.iter().try_for_each(|it| it.kill(signal))?;
    let [first, second] = applications.each_mut().map(Child::wait);
    say(&format!("{} {}", first?.code(), second?.code()))?;
    Ok(ExitCode::SUCCESS)
}

fn application() -> Result<Child> {
    let command = [own_program()?, "idle".into(), "30000".into()];
    Spawn::new(Kinds::NONE).step(Exec::with_own_environment(&command)?).start()
}

/// A process whose parent does not wait for it.
fn orphan() -> Result<i32> {
    let output = Command::new(own_program()?).arg("abandon").output();
    let output = output.map_err(|error| Error::new("cannot start a parent").io("clone", &error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| Error::new("the parent of the orphan did not answer"))
}

/// Which process we reaped: only a parent can.
fn reap(orphan: i32) -> Result<i32> {
    match waitpid(Pid::from_raw(orphan), Some(WaitPidFlag::empty())) {
        Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => Ok(pid.as_raw()),
        Ok(_) => Ok(0),
        Err(errno) => Err(refused("waitpid", errno)),
    }
}

/// Starts a process and ends.
pub fn abandon() -> Result<ExitCode> {
    let mut command = Command::new(own_program()?);
    let child = command.args(["idle", "100"]).stdout(Stdio::null()).spawn();
    let child = child.map_err(|error| Error::new("cannot start an orphan").io("clone", &error))?;
    say(&child.id().to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn refused(call: &str, errno: ground::Errno) -> Error {
    Error::new("the init cannot do its duty").call(call, errno)
}
