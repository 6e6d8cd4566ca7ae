//! Arguments as they are typed.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

/// As runc says it: `mini-runc version 1.2.3`. dockerd and podman cut it at the word "version" and
/// show what follows.
const VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.3.0");

/// Where the bundle is, unless it is said.
const HERE: &str = ".";

/// What `kill` sends, unless it is said.
pub(super) const TERM: &str = "SIGTERM";

/// The low-level container runtime: a bundle directory in, a process out
#[derive(Debug, Parser)]
#[command(name = "mini-runc", version = VERSION, max_term_width = 100, args_override_self = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes, before or after its name
#[derive(Debug, Default, clap::Args)]
pub(super) struct Global {
    /// Directory for the state of containers [default: /run/mini-runc, or
    /// $XDG_RUNTIME_DIR/mini-runc for ordinary users]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// File for errors and warnings, besides standard error
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// How they are written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Have systemd make the container's cgroup: cgroupsPath is slice:prefix:name then
    #[arg(long, global = true)]
    pub(super) systemd_cgroup: bool,
    /// Accepted for runc's sake; there is nothing more to tell
    #[arg(long, global = true)]
    pub(super) debug: bool,
    /// Accepted for runc's sake, before the command: what may be done is found out by trying
    // `spec` has a --rootless of its own.
    #[arg(long = "rootless", id = "rootless-mode", value_name = "BOOL")]
    pub(super) _rootless: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
// Of all commands one is meant: the options of the others are never put together.
#[command(defer = true)]
pub(super) enum Command {
    /// Make a container, up to the point where its program would run
    Create(Create),
    /// Run the program of a container that was created
    Start(Id),
    /// Create, start, wait and delete in one
    Run(Run),
    /// Print the state of a container as JSON
    State(Id),
    /// Send a signal to a container's first process
    Kill(Kill),
    /// Take away what a stopped container has left
    Delete(Delete),
    /// Run a further program in a container
    Exec(Box<Exec>),
    /// List containers
    List(List),
    /// List the processes of a container
    Ps(Ps),
    /// Freeze all processes of a container
    Pause(Id),
    /// Let them go on
    Resume(Id),
    /// Change the limits of a container that runs
    Update(Box<Update>),
    /// Print what a container uses, and that it ran out of memory, as JSON lines
    Events(Events),
    /// Not done here: it takes CRIU
    #[command(hide = true)]
    Checkpoint(Anything),
    /// Not done here: it takes CRIU
    #[command(hide = true)]
    Restore(Anything),
    /// Write a config.json to start from
    Spec(Spec),
    /// Print what this runtime can do, as JSON
    Features,
}

#[derive(Debug, Default, clap::Args)]
pub(super) struct Id {
    /// The container's name
    #[arg(value_name = "ID")]
    pub(super) id: String,
}

/// The arguments of a command that is refused whatever they are.
#[derive(Debug, clap::Args)]
pub(super) struct Anything {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _all: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    pub(super) how: How,
    /// Print what would be done, step by step, with the lab that teaches it, and do nothing
    #[arg(long)]
    pub(super) explain: bool,
    /// With --explain: print the plan as JSON, as the labs do
    #[arg(long, requires = "explain")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) id: Id,
}

#[derive(Debug, clap::Args)]
pub(super) struct How {
    /// Directory with config.json
    #[arg(short, long, value_name = "DIR", default_value = HERE)]
    pub(super) bundle: PathBuf,
    /// File for the process's PID
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,
    /// Unix socket that gets the terminal's master
    #[arg(long, value_name = "SOCKET")]
    pub(super) console_socket: Option<PathBuf>,
    /// Unix socket that gets a descriptor of the process
    #[arg(long, value_name = "SOCKET")]
    pub(super) pidfd_socket: Option<PathBuf>,
    /// Hand on N descriptors besides standard input, output and error
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) preserve_fds: u32,
    /// Use chroot(2) instead of pivot_root(2), for a root on the initial ramfs
    #[arg(long)]
    pub(super) no_pivot: bool,
    /// Accepted for runc's sake: a session keyring is made in any case
    #[arg(long)]
    pub(super) no_new_keyring: bool,
}

impl Default for How {
    fn default() -> Self {
        Self {
            bundle: HERE.into(),
            pid_file: None,
            console_socket: None,
            pidfd_socket: None,
            preserve_fds: 0,
            no_pivot: false,
            no_new_keyring: false,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) how: How,
    /// Return when the program runs, and leave the container
    #[arg(short, long)]
    pub(super) detach: bool,
    /// Do not delete it when its program has ended
    #[arg(long)]
    pub(super) keep: bool,
    #[command(flatten)]
    pub(super) id: Id,
}

#[derive(Debug, clap::Args)]
pub(super) struct Kill {
    /// Signal every process of the container
    #[arg(short, long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) id: Id,
    /// Name or number
    #[arg(value_name = "SIGNAL", default_value = TERM)]
    pub(super) signal: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Delete {
    /// Also one that runs (it is killed), is half made, or is not there
    #[arg(short, long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) id: Id,
}

#[derive(Debug, Default, clap::Args)]
pub(super) struct Exec {
    /// File with a process as in config.json
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["user", "cwd", "env", "cap", "command"])]
    pub(super) process: Option<PathBuf>,
    /// User, and group after a colon, as numbers
    #[arg(short, long, value_name = "UID[:GID]")]
    pub(super) user: Option<String>,
    /// Further groups
    #[arg(short = 'g', long, value_name = "GID")]
    pub(super) additional_gids: Vec<u32>,
    /// Working directory in the container
    #[arg(long, value_name = "DIR")]
    pub(super) cwd: Option<String>,
    /// Environment, NAME=VALUE
    #[arg(short, long, value_name = "ENV")]
    pub(super) env: Vec<String>,
    /// Capabilities to add
    #[arg(short, long, value_name = "CAP")]
    pub(super) cap: Vec<String>,
    /// Set no_new_privs
    #[arg(long)]
    pub(super) no_new_privs: bool,
    /// AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    pub(super) apparmor: Option<String>,
    /// SELinux label
    #[arg(long, value_name = "LABEL")]
    pub(super) process_label: Option<String>,
    /// Group below the container's, for all controllers or for those before a colon
    #[arg(long, value_name = "[CONTROLLER:]PATH")]
    pub(super) cgroup: Vec<String>,
    /// Join a paused container as well; the program waits until it is resumed
    #[arg(long)]
    pub(super) ignore_paused: bool,
    /// Unix socket that gets a descriptor of the process
    #[arg(long, value_name = "SOCKET")]
    pub(super) pidfd_socket: Option<PathBuf>,
    /// Give it a terminal
    #[arg(short, long)]
    pub(super) tty: bool,
    /// Unix socket that gets the terminal's master
    #[arg(long, value_name = "SOCKET")]
    pub(super) console_socket: Option<PathBuf>,
    /// Return when the program runs
    #[arg(short, long)]
    pub(super) detach: bool,
    /// File for the process's PID
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,
    /// Hand on N descriptors besides standard input, output and error
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) preserve_fds: u32,
    #[command(flatten)]
    pub(super) id: Id,
    /// Program and arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) command: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// How they are listed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) format: ListFormat,
    /// Only names
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// Columns for people
    Table,
    /// A JSON array
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Ps {
    /// How they are listed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) format: ListFormat,
    #[command(flatten)]
    pub(super) id: Id,
    /// Options for ps(1) [default: -ef]
    #[arg(value_name = "PS ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) ps: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Events {
    /// Print what it has used until now, once
    #[arg(long)]
    pub(super) stats: bool,
    /// How often: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = super::values::interval)]
    pub(super) interval: Duration,
    #[command(flatten)]
    pub(super) id: Id,
}

/// Sizes are in bytes, or with k, m, g; -1 is unlimited. Times are in microseconds.
#[derive(Debug, clap::Args)]
pub(super) struct Update {
    /// File with `linux.resources` as in config.json, `-` for standard input; the rest is ignored then
    #[arg(short, long, value_name = "FILE")]
    pub(super) resources: Option<PathBuf>,
    /// 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub(super) blkio_weight: Option<u16>,
    /// In each period, in microseconds
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) cpu_quota: Option<i64>,
    /// In microseconds
    #[arg(long, value_name = "TIME")]
    pub(super) cpu_period: Option<u64>,
    /// What may be saved up, in microseconds
    #[arg(long, value_name = "TIME")]
    pub(super) cpu_burst: Option<u64>,
    /// 2 to 262144, normally 1024
    #[arg(long, value_name = "WEIGHT")]
    pub(super) cpu_share: Option<u64>,
    /// Real-time period, in microseconds
    #[arg(long, value_name = "TIME")]
    pub(super) cpu_rt_period: Option<u64>,
    /// Real-time in each period, in microseconds
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) cpu_rt_runtime: Option<i64>,
    /// 1: only when nobody else wants the CPU
    #[arg(long, value_name = "0|1")]
    pub(super) cpu_idle: Option<i64>,
    /// CPUs, as 0-3,7
    #[arg(long, value_name = "LIST")]
    pub(super) cpuset_cpus: Option<String>,
    /// Memory nodes, as 0-1
    #[arg(long, value_name = "LIST")]
    pub(super) cpuset_mems: Option<String>,
    /// Memory
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = super::values::size)]
    pub(super) memory: Option<i64>,
    /// What is kept when memory is short
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = super::values::size)]
    pub(super) memory_reservation: Option<i64>,
    /// Memory and swap together
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = super::values::size)]
    pub(super) memory_swap: Option<i64>,
    /// Accepted for runc's sake: no kernel limits its own memory any more
    #[arg(long, hide = true, value_name = "SIZE", value_parser = super::values::size)]
    pub(super) kernel_memory: Option<i64>,
    /// TCP buffers, on v1
    #[arg(long, hide = true, value_name = "SIZE", value_parser = super::values::size)]
    pub(super) kernel_memory_tcp: Option<i64>,
    /// Tasks
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) pids_limit: Option<i64>,
    #[command(flatten)]
    pub(super) id: Id,
}

#[derive(Debug, clap::Args)]
pub(super) struct Spec {
    /// Directory to write it to
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(super) bundle: PathBuf,
    /// For an ordinary user: with a user namespace
    #[arg(long)]
    pub(super) rootless: bool,
}
