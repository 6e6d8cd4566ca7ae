//! What can be typed; nsenter(1)'s letters, so that fingers need not learn new ones.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args as Group, Parser, Subcommand};
use ground::cli::Switches;
use namespaces::Kind;

/// Join the namespaces of a running process
///
/// Without a command: a demonstration, step by step.
#[derive(Debug, Parser)]
#[command(name = "lab-05", version)]
pub struct Args {
    #[command(flatten)]
    pub flags: ground::cli::Flags,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command beside a process, in its namespaces
    Enter(Enter),
    /// Keep a namespace of a process on a file, also when the process has ended
    Pin(Pin),
    /// Let go of a kept namespace and remove its file
    Unpin {
        /// The file it is kept on
        file: PathBuf,
    },
    /// Print what a process sees, then stay until standard input ends
    #[command(hide = true)]
    Witness {
        #[command(subcommand)]
        role: Role,
    },
}

/// What a process of the demonstration does before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Role {
    /// It is the container: it listens on a port, lives in a chroot, gives up a capability
    Target { port: u16 },
    /// It only looks
    Look,
    /// It tries to reach the port
    Connect { port: u16 },
    /// It joins a PID namespace and makes a child
    JoinPid { pid: i32 },
    /// It joins a mount and a user namespace, and has so many threads then
    JoinAs { pid: i32, threads: usize },
    /// It makes an idle container
    Make,
}

#[derive(Debug, Group)]
#[command(
    mut_arg("mount", |flag| flag.help("The mount table, and with it root and working directory")),
    mut_arg("pid", |flag| flag.help("Process ids: nobody changes their own, a child is born inside")),
)]
pub struct Enter {
    /// The process to follow
    #[arg(id = "process", value_name = "PID")]
    pub pid: i32,
    #[command(flatten)]
    pub kinds: Switches<Kind>,
    /// All namespaces that are not ours already; the default when no kind is named
    #[arg(short, long)]
    pub all: bool,
    /// Its control group too, so that its limits hold for the command
    #[arg(short = 'c', long)]
    pub join_cgroup: bool,
    /// Join by the files under /proc/PID/ns, not by pidfd
    #[arg(long)]
    pub files: bool,
    /// Keep user and group ids in a joined user namespace, do not become 0
    #[arg(long)]
    pub preserve_credentials: bool,
    /// The environment that the process was started with, not ours
    #[arg(short = 'e', long)]
    pub env: bool,
    /// The command and its arguments; a shell when there is none
    #[arg(last = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, Group)]
pub struct Pin {
    /// A process in the namespace
    #[arg(id = "process", value_name = "PID")]
    pub pid: i32,
    /// One of them
    #[command(flatten)]
    pub kinds: Switches<Kind>,
    /// The file to keep it on; made if it is not there
    pub file: PathBuf,
}
