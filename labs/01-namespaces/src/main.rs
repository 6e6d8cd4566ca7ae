//! Lab 01: namespaces and clone flags.

mod args;
mod commands;
mod demo;
mod process;

use std::process::ExitCode;

use crate::{
    args::{Args, Command},
    commands::{ls, run, show, tree},
};

fn main() -> ExitCode {
    let args: Args = ground::cli::parse();
    ground::cli::run(args.flags, |narrator| match &args.command {
        Some(Command::Run(options)) => run::run(narrator, options),
        Some(Command::Ls { kind }) => ls::ls(narrator, *kind, args.flags.json),
        Some(Command::Tree) => tree::tree(narrator, args.flags.json),
        Some(Command::Show { pid }) => show::show(narrator, *pid),
        Some(Command::Witness { role }) => demo::testify(*role),
        None => demo::play(narrator),
    })
}
