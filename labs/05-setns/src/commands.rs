//! The commands of free play: enter, pin, unpin.

use std::{ffi::OsString, path::Path, process::ExitCode};

use cgroups::Group;
use ground::{Error, Narrator, Result, Table};
use namespaces::{Exec, Kind, Kinds, Signals, Terminal};
use nix::unistd::Pid;
use setns::{Enter as What, Target, Way, enter as plan_beside};

use crate::args::{Enter, Pin};

/// Runs a command beside a process and ends as it ends.
pub fn enter(narrator: &mut Narrator<'_>, args: &Enter) -> Result<ExitCode> {
    let target = Target::open(Pid::from_raw(args.pid))?;
    let mut spawn = plan_beside(&target, &what(args, &target)?)?;
    // Our process group has no number in another PID namespace; a shell needs one that has.
    let terminal = Terminal::ours().filter(|_| spawn.fork_before.is_some());
    if let Some(step) = terminal.as_ref().and_then(Terminal::step) {
        spawn = spawn.step(step);
    }
    let spawn = spawn.step(program(args, &target)?);
    if narrator.plans_only() {
        return told(narrator.plan(&spawn.explain()));
    }
    let signals = Signals::hold()?;
    let ended = signals.wait_with_terminal(&mut spawn.start()?, terminal.as_ref())?;
    Ok(ExitCode::from(ended.code()))
}

fn what(args: &Enter, target: &Target) -> Result<What> {
    let named = Kinds::of(args.kinds.0.iter().copied());
    let kinds = if args.all || named.is_empty() { Kinds::of(Kind::ALL) } else { named };
    Ok(What {
        way: if args.files { Way::Files } else { Way::best() },
        cgroup: if args.join_cgroup { group_of(target)? } else { None },
        keep_ids: args.preserve_credentials,
        ..What::kinds(kinds)
    })
}

fn program(args: &Enter, target: &Target) -> Result<Exec> {
    let shell = [OsString::from("sh")];
    let argv = if args.command.is_empty() { &shell[..] } else { &args.command };
    if args.env {
        Exec::new(argv, &target.environment()?)
    } else {
        Exec::with_own_environment(argv)
    }
}

/// Keeps a namespace on a file.
pub fn pin(narrator: &mut Narrator<'_>, args: &Pin) -> Result<ExitCode> {
    let target = Target::open(Pid::from_raw(args.pid))?;
    let kind = one(&args.kinds.0)?;
    if narrator.plans_only() {
        return told(narrator.plan(&setns::pin_explained(&target, kind, &args.file)));
    }
    let id = setns::pin(&target, kind, &args.file)?;
    let row = [id.to_string(), args.file.display().to_string()];
    told(narrator.table(&Table::new(["namespace", "kept on"]).row(row)))
}

/// Lets go of it.
pub fn unpin(narrator: &mut Narrator<'_>, file: &Path) -> Result<ExitCode> {
    if narrator.plans_only() {
        return told(narrator.plan(&setns::unpin_explained(file)));
    }
    setns::unpin(file).map(|()| ExitCode::SUCCESS)
}

fn one(named: &[Kind]) -> Result<Kind> {
    match named {
        [kind] => Ok(*kind),
        _ => Err(Error::new("cannot tell which namespace to pin")
            .why("a file keeps one namespace")
            .fix("name one kind, for example --net")),
    }
}

fn told(written: std::io::Result<()>) -> Result<ExitCode> {
    written
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| Error::new("cannot tell the result").io("write", &error))
}

/// Its control group, unless it is ours as well.
fn group_of(target: &Target) -> Result<Option<Group>> {
    let theirs = Group::of_process(target.pid())?;
    let ours = Group::of_process(Pid::this())?;
    let same = ours.directories().eq(theirs.directories());
    Ok((!same).then_some(theirs))
}
