//! Lab 03: another "/" for a process, and for a container.

mod breakout;
mod commands;
mod demo;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, builder::NonEmptyStringValueParser};
use ground::{Narrator, Result, cli};

/// chroot, pivot_root and a root file system made from the host's own programs.
///
/// Without a command: the demonstration.
#[derive(Debug, Parser)]
#[command(name = "lab-03", version)]
struct Args {
    #[command(flatten)]
    flags: cli::Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy programs of this machine, with loader and libraries, into a directory
    Rootfs {
        /// The directory: made here, empty, or built by this command before
        dir: PathBuf,
        /// Programs, as `bash,ls`; `/path/to/tool`; `sh=busybox` for a link to a program
        #[arg(
            long = "with",
            value_name = "PROGRAM,..",
            value_delimiter = ',',
            value_parser = NonEmptyStringValueParser::new(),
            required = true
        )]
        programs: Vec<String>,
    },
    /// Run a command with a directory as its "/", by chroot(2)
    Chroot {
        /// The new root directory
        dir: PathBuf,
        /// The command, as it is named inside
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Break out of a chroot, and watch "/" and "." on the way
    Escape {
        /// The directory that is to be the prison
        dir: PathBuf,
        /// Build the prison with pivot_root(2) instead, which holds
        #[arg(long)]
        after_pivot: bool,
    },
    /// Run a command with a directory as its "/", by pivot_root(2): a container's root
    Pivot {
        /// The new root directory
        dir: PathBuf,
        /// The command, as it is named inside
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// The demonstration, once its stage is set
    #[command(hide = true)]
    OnStage,
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    cli::run(args.flags, |narrator| run(args, narrator))
}

fn run(args: Args, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    match args.command {
        None => demo::set_stage(narrator),
        Some(Command::OnStage) => demo::play(narrator),
        Some(Command::Rootfs { dir, programs }) => {
            commands::rootfs(narrator, &dir, &programs, args.flags)
        }
        Some(Command::Chroot { dir, command }) => commands::chroot(narrator, &dir, &command),
        Some(Command::Escape { dir, after_pivot }) => commands::escape(narrator, &dir, after_pivot),
        Some(Command::Pivot { dir, command }) => commands::pivot(narrator, &dir, &command),
    }
}
