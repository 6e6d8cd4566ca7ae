//! `cargo workbook`: the learner's companion.

mod commands;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use ground::Result;
use workbook::{doctor, exercise::Id, grade, show, stage, verdict};

/// What this machine can do, exercises that the kernel grades, and a museum of mistakes
#[derive(Debug, Parser)]
#[command(name = "workbook", version, bin_name = "cargo workbook")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try what this machine can do: each lab, as root and as an ordinary user
    Doctor {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        /// Take the labs' programs as they are
        #[arg(long, hide = true)]
        no_build: bool,
    },
    /// List the exercises and how far you are
    List,
    /// Lay an exercise on your bench
    Start {
        /// As 04.2; the next one if not given
        exercise: Option<Id>,
    },
    /// Compile what you wrote, run it, and look at the kernel
    Check {
        /// The one you worked on last if not given
        exercise: Option<Id>,
        /// Again whenever the file is saved
        #[arg(long)]
        watch: bool,
    },
    /// Show the next hint; there are three
    Hint {
        /// The one you worked on last if not given
        exercise: Option<Id>,
    },
    /// Show the solution, once you have passed
    Solution {
        /// The one you worked on last if not given
        exercise: Option<Id>,
        /// Show it although you have not passed
        #[arg(long)]
        give_up: bool,
    },
    /// Begin an exercise anew; what you wrote is kept beside it
    Reset {
        /// The one you worked on last if not given
        exercise: Option<Id>,
    },
    /// Lay the first exercise that you have not passed on your bench
    Next,
    /// Show the mistakes that others made
    Museum {
        /// One of them, in full
        number: Option<usize>,
        /// Print all of them as pages of the book
        #[arg(long, hide = true)]
        pages: bool,
    },
    /// Show a lab to a class: its commands, typed and run at a key press; q ends it
    Demo {
        /// The number of the lab, as 04
        lab: u8,
    },
    /// Judge a compiled program, and print the verdict as JSON
    #[command(hide = true)]
    Judge { exercise: Id, program: PathBuf },
    #[command(name = stage::GRADER, hide = true)]
    Grade { exercise: Id, program: PathBuf },
    #[command(name = doctor::KEEPER, hide = true)]
    Keep,
    #[command(name = stage::BECOME, hide = true)]
    Become {
        standing: String,
        host: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        argv: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    if let Some(ended) = cgroups::door(std::env::args_os()) {
        return ended;
    }
    let args: Args = ground::cli::parse();
    let flags = ground::cli::Flags::default();
    ground::cli::run(flags, |_| run(&args.command))
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Doctor { json, no_build } => commands::doctor(*json, *no_build),
        Command::List => commands::list(),
        Command::Start { exercise } => commands::start(*exercise),
        Command::Check { exercise, watch: false } => commands::check(*exercise),
        Command::Check { exercise, watch: true } => commands::watch(*exercise),
        Command::Hint { exercise } => commands::hint(*exercise),
        Command::Solution { exercise, give_up } => commands::solution(*exercise, *give_up),
        Command::Reset { exercise } => commands::reset(*exercise),
        Command::Next => commands::start(None),
        Command::Museum { pages: true, .. } => commands::museum_pages(),
        Command::Museum { number, pages: false } => commands::museum(*number),
        Command::Demo { lab } => show::lab(&workbook::root(), *lab).map(|()| ExitCode::SUCCESS),
        Command::Judge { exercise, program } => {
            let variant = std::env::var(stage::VARIANT).unwrap_or_default();
            let verdict = stage::check(*exercise, program, &variant)?;
            commands::say(&verdict::to_json(&verdict).to_string())
        }
        Command::Grade { exercise, program } => {
            let verdict = grade::grade(*exercise, program);
            commands::say(&verdict::to_json(&verdict).to_string())
        }
        Command::Keep => doctor::keep().map(|()| ExitCode::SUCCESS),
        Command::Become { standing, host, argv } => {
            let incapable = standing == "incapable";
            stage::become_program(incapable, host, argv).map(|()| ExitCode::SUCCESS)
        }
    }
}
