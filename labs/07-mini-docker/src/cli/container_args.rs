//! Arguments of `run` and `create`: everything that a container can be asked to be, in Docker's words.

mod files;
mod limits;
mod namespaces;
mod security;

use std::path::PathBuf;

use clap::Args;

use super::{life::Life, network_args::NetworkFlags};

pub use files::FileFlags;
pub use limits::{LimitFlags, LiveLimits};
pub use namespaces::NamespaceFlags;
pub use security::SecurityFlags;

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
    /// Write the container ID to the file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Add further groups to join
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Its networks.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Container host name
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Container NIS domain name
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// Set metadata on the container
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<PathBuf>,
    /// Add an annotation to the container, passed through to the OCI runtime
    #[arg(long, value_name = "NAME=VALUE")]
    pub annotation: Vec<String>,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Pull the image before running: always, missing or never
    #[arg(long, default_value = "missing", value_name = "WHEN")]
    pub pull: Pulling,
    /// Suppress the pull output
    #[arg(short, long)]
    pub quiet: bool,
    /// Use the image of this platform instead of this machine's
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<oci::Platform>,
    /// Runtime to use for this container: mini-runc, runc, crun or a path
    #[arg(long)]
    pub runtime: Option<String>,
    /// Attach to STDIN, STDOUT or STDERR alone
    #[arg(short, long, value_name = "STREAM", ignore_case = true, hide_possible_values = true)]
    pub attach: Vec<AttachTo>,
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
    /// The files of the container
    #[command(flatten)]
    pub files: FileFlags,
    /// What it may use
    #[command(flatten)]
    pub limits: LimitFlags,
    /// What it may do
    #[command(flatten)]
    pub security: SecurityFlags,
    /// What it shares
    #[command(flatten)]
    pub namespaces: NamespaceFlags,
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

/// One of the three streams, for `--attach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AttachTo {
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
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
    /// Proxy all received signals to the process
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    #[arg(hide_possible_values = true)]
    pub sig_proxy: bool,
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
