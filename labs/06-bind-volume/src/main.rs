//! Lab 06: bind mounts and volumes, as a demonstration and as tools.

mod add;
mod container;
mod demo;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ground::{Narrator, Result, cli};

/// A volume is a bind mount: one directory in two places
///
/// Without a command: the demonstration.
#[derive(Debug, Parser)]
#[command(name = "lab-06", version)]
struct Args {
    #[command(flatten)]
    flags: cli::Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a command in a container of our own making: labs 01 to 06 in one plan
    Run(run::Args),
    /// Play the scenes about propagation: a mount that leaks to the host, and two that do not
    Propagation,
    /// Give a running container another volume
    Add(add::Args),
}

fn main() -> ExitCode {
    if let Some(ended) = cgroups::door(std::env::args_os()) {
        return ended;
    }
    let args: Args = cli::parse();
    cli::run(args.flags, |narrator| go(args.command, narrator))
}

fn go(command: Option<Command>, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    match command {
        None => demo::play(narrator, demo::lesson()?).map(|()| ExitCode::SUCCESS),
        Some(Command::Propagation) => {
            demo::play(narrator, demo::propagation_lesson()).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Run(args)) => run::run(&args, narrator),
        Some(Command::Add(args)) => add::add(&args, narrator).map(|()| ExitCode::SUCCESS),
    }
}
