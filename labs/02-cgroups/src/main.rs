//! Lab 02: control groups. Without a command it plays the demonstration.
#![allow(clippy::exit, reason = "a worker that was asked for a status ends with it")]

mod commands;
mod demo;

use std::{io, process::ExitCode};

use clap::Parser;
use ground::{Error, Narrator, Result};

use commands::{freeze, limit, repair, top, tree, worker};

/// Control groups: limit, watch and freeze processes, on cgroup v1, hybrid and v2
#[derive(Debug, Parser)]
#[command(
    name = "lab-02",
    version,
    about,
    after_help = "Without a command the demonstration is played. Ordinary users need cgroup v2 \
                  and a delegated group:\n  systemd-run --user --scope -p Delegate=yes lab-02"
)]
struct Args {
    #[command(flatten)]
    flags: ground::cli::Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run a command in a group of its own with limits
    Limit(limit::LimitCommand),
    /// Watch the groups of the machine: CPU, throttling, memory, tasks
    Top(top::TopCommand),
    /// Show the groups of the machine as a tree
    Tree,
    /// Stop every task of a group, or of the group that a process is in
    Freeze(freeze::Target),
    /// Let the tasks of a frozen group go on
    Thaw(freeze::Target),
    /// Run a command with the /proc files that its group's limits make true
    RepairProc(repair::RepairCommand),
    #[command(flatten)]
    Worker(worker::Worker),
}

fn main() -> ExitCode {
    if let Some(ended) = cgroups::door(std::env::args_os()) {
        return ended;
    }
    let args: Args = ground::cli::parse();
    ground::cli::run(args.flags, |narrator| run(args.command, args.flags, narrator))
}

fn run(
    command: Option<Command>,
    flags: ground::cli::Flags,
    narrator: &mut Narrator<'_>,
) -> Result<ExitCode> {
    match command {
        None => demo::play(narrator),
        Some(Command::Limit(command)) => command.run(narrator),
        Some(Command::Top(command)) => command.run(flags.json, narrator),
        Some(Command::Tree) => tree::tree(narrator),
        Some(Command::Freeze(target)) => target.freeze(narrator),
        Some(Command::Thaw(target)) => target.thaw(narrator),
        Some(Command::RepairProc(command)) => command.run(narrator),
        Some(Command::Worker(worker)) => worker.run(),
    }
}

/// What to make of a failed write to standard output: a reader that went away (`| head`) ends the
/// program in peace.
fn told(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Error::new("cannot write to standard output").io("write", &error)),
        Ok(()) => Ok(()),
    }
}
