//! What can be typed: unshare(1)'s options, and three ways to look around.

use std::ffi::OsString;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use ground::cli::Switches;
use namespaces::Kind;

/// Give a process namespaces of its own, and look at the namespaces there are
///
/// Without a command: a demonstration, step by step.
#[derive(Debug, Parser)]
#[command(name = "lab-01", version)]
pub struct Args {
    #[command(flatten)]
    pub flags: ground::cli::Flags,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command in new namespaces; of all kinds when nothing is asked for
    Run(Run),
    /// List the namespaces of all processes
    Ls {
        /// Only this kind
        #[arg(short = 't', long = "type", value_name = "KIND")]
        kind: Option<KindName>,
    },
    /// Draw how PID and user namespaces lie in one another
    Tree,
    /// Show the namespaces of a process, and who it is in them
    Show {
        /// The process; without it, lab-01 itself
        pid: Option<i32>,
    },
    /// Print what a process sees, then stay until standard input ends
    #[command(hide = true)]
    Witness {
        /// What it does before
        role: Role,
    },
}

/// What a process of the demonstration does before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Nothing
    Look,
    /// It tries to give the machine a name
    Rename,
    /// It makes a child in a PID namespace below its own, and keeps it
    Parent,
    /// It changes its own namespaces, and goes back
    Unshare,
}

#[derive(Debug, Group)]
#[command(
    mut_arg("mount", |flag| flag.help("The mount table; with --pid, a /proc of its own too")),
    mut_arg("pid", |flag| flag.help("Process ids: the command is 1")),
    mut_arg("net", |flag| flag.help("Interfaces, routes, ports: only a loopback, and that is down")),
    mut_arg("user", |flag| flag.help("User and group ids; without --map-root nobody is anybody")),
)]
pub struct Run {
    #[command(flatten)]
    pub kinds: Switches<Kind>,
    /// The host name inside; implies --uts
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Be root inside: map user and group 0 to yours; implies --user
    #[arg(long)]
    pub map_root: bool,
    /// The same, and your subordinate ids from 1 on; implies --user
    #[arg(long, conflicts_with = "map_root")]
    pub map_auto: bool,
    /// Move the monotonic clock by these seconds; implies --time
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub monotonic: Option<i64>,
    /// Move the boot clock, which uptime reads, by these seconds; implies --time
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub boottime: Option<i64>,
    /// The command and its arguments; a shell when there is none
    #[arg(last = true)]
    pub command: Vec<OsString>,
}

/// A kind by the name of its file under `/proc/PID/ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindName(pub Kind);

impl ValueEnum for KindName {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [KindName; 8] = {
            let [a, b, c, d, e, f, g, h] = Kind::ALL;
            [
                KindName(a),
                KindName(b),
                KindName(c),
                KindName(d),
                KindName(e),
                KindName(f),
                KindName(g),
                KindName(h),
            ]
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}
