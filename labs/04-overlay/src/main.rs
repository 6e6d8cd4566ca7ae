//! Lab 04: a stack of directories that looks like one.

mod commands;
mod demo;

use std::{ffi::OsString, os::unix::ffi::OsStrExt, path::PathBuf, process::ExitCode};

use clap::{Args as Group, Parser, Subcommand};
use ground::{Narrator, Result, cli};
use overlay::{Marks, Options, Overlay, Upper, layers};

/// Stack directories, write to the topmost only, and see what was changed
///
/// Without a command: a demonstration, step by step.
#[derive(Debug, Parser)]
#[command(name = "lab-04", version)]
struct Args {
    #[command(flatten)]
    flags: cli::Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mount an overlay in a mount namespace of its own and run a command there
    Mount(Mount),
    /// List what an upper directory adds (A), changes (C) and deletes (D), as docker diff does
    Diff(Diff),
    /// Show the layers of the overlay that a directory is on
    Layers {
        /// The overlay's mount point, or anything on it
        dir: PathBuf,
    },
}

/// What `mount` takes.
#[derive(Debug, Group)]
struct Mount {
    /// The lower layers, topmost first: A:B (a colon in a name is \:)
    #[arg(long, value_name = "DIR:..", required = true)]
    lower: OsString,
    /// Where changes go; without it nothing can be written
    #[arg(long, value_name = "DIR", requires = "work")]
    upper: Option<PathBuf>,
    /// An empty directory on the same mount as upper, for the kernel
    #[arg(long, value_name = "DIR", requires = "upper")]
    work: Option<PathBuf>,
    /// Let rename(2) of a lower directory leave a pointer instead of failing (root only)
    #[arg(long)]
    redirect_dir: bool,
    /// Copy metadata and data apart (root only)
    #[arg(long, requires = "redirect_dir")]
    metacopy: bool,
    /// Keep hard links together across copy-up
    #[arg(long)]
    index: bool,
    /// Never sync: fast, and worthless after a crash
    #[arg(long)]
    volatile: bool,
    /// Where the overlay appears
    dir: PathBuf,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What `diff` takes.
#[derive(Debug, Group)]
struct Diff {
    /// The upper directory; it may be mounted or not
    upper: PathBuf,
    /// The lower layers it was mounted above, topmost first; needless while it is mounted
    #[arg(long, value_name = "DIR:..")]
    lower: Option<OsString>,
    /// The overlay was mounted in a user namespace: believe user.overlay.* attributes
    #[arg(long)]
    userxattr: bool,
}

impl Mount {
    /// The flags as they are meant.
    fn overlay(&self) -> Overlay {
        let on =
            |wanted: bool, otherwise: Option<bool>| if wanted { Some(true) } else { otherwise };
        let usual = Options::with_marks(marks());
        let options = Options {
            redirect_dir: on(self.redirect_dir, usual.redirect_dir),
            metacopy: on(self.metacopy, usual.metacopy),
            index: on(self.index, usual.index),
            volatile: self.volatile,
            ..usual
        };
        let upper = self.upper.clone().zip(self.work.clone());
        Overlay {
            lower: layers::split(self.lower.as_bytes()),
            upper: upper.map(|(dir, work)| Upper { dir, work }),
            options,
        }
    }
}

/// The marks of an overlay that we mount: an ordinary user does it in a user namespace.
fn marks() -> Marks {
    if nix::unistd::geteuid().is_root() { Marks::here() } else { Marks::User }
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    cli::run(args.flags, |narrator| run(&args, narrator))
}

fn run(args: &Args, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    match &args.command {
        None => demo::play(narrator),
        Some(Command::Mount(mount)) => commands::mount(narrator, mount),
        Some(Command::Diff(diff)) => commands::diff(narrator, diff, args.flags.json),
        Some(Command::Layers { dir }) => commands::layers(narrator, dir),
    }
}
