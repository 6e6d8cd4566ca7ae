//! Arguments of `run` and `create`: everything that a container can be asked to be, in Docker's words.

use std::path::PathBuf;

use clap::Args;

use super::{life::Life, network_args::NetworkFlags};

/// What `run` and `create` have in common.
#[derive(Debug, Args)]
#[command(next_help_heading = "The container")]
pub struct ContainerFlags {
    /// Assign a name to the container
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// Set environment variables; a bare name takes the value that it has here
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Bind mount a volume
    #[arg(short, long, value_name = "SRC:DST[:ro]")]
    pub volume: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "DST[:OPTIONS]")]
    pub tmpfs: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Memory limit
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<cgroups::Bytes>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// Number of CPUs
    #[arg(long, value_name = "N")]
    pub cpus: Option<cgroups::Cpus>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "N")]
    pub cpu_shares: Option<u64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Limit on processes and threads (-1 for unlimited)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// Parent cgroup for the container
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<String>,
    /// Its networks.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Mount the container's root file system as read only
    #[arg(long)]
    pub read_only: bool,
    /// Add Linux capabilities
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// Give extended privileges to the container
    #[arg(long)]
    pub privileged: bool,
    /// Security options: no-new-privileges, seccomp=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Container host name
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Set metadata on the container
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Pull the image before running: always, missing or never
    #[arg(long, default_value = "missing", value_name = "WHEN")]
    pub pull: Pulling,
    /// Runtime to use for this container: mini-runc, runc, crun or a path
    #[arg(long)]
    pub runtime: Option<String>,
    /// Keep standard input open even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a pseudo-terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Automatically remove the container when it exits
    #[arg(long)]
    pub rm: bool,
    #[command(flatten)]
    pub life: Life,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// The image
    pub image: String,
    /// The command to run instead of the image's, with its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND [ARG]")]
    pub command: Vec<String>,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Pulling {
    /// Every time.
    Always,
    /// When it is not here.
    Missing,
    /// Not at all.
    Never,
}

/// `run`
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Run {
    /// Run the container in the background and print its ID
    #[arg(short, long)]
    pub detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Print the plan, call by call, and do nothing
    #[arg(long)]
    pub explain: bool,
    /// With --explain: print the plan as JSON
    #[arg(long, requires = "explain")]
    pub json: bool,
    #[command(flatten)]
    pub container: ContainerFlags,
}

/// `create`
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Create {
    #[command(flatten)]
    pub container: ContainerFlags,
}
