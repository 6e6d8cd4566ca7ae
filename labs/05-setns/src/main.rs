//! Lab 05: setns, pins, and what `docker exec` is made of.

mod args;
mod commands;
mod demo;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    if let Some(ended) = cgroups::door(std::env::args_os()) {
        return ended;
    }
    let args: Args = ground::cli::parse();
    ground::cli::run(args.flags, |narrator| match &args.command {
        Some(Command::Enter(enter)) => commands::enter(narrator, enter),
        Some(Command::Pin(pin)) => commands::pin(narrator, pin),
        Some(Command::Unpin { file }) => commands::unpin(narrator, file),
        Some(Command::Witness { role }) => demo::testify(*role),
        None => demo::play(narrator),
    })
}
