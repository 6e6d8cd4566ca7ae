//! Arguments of the verbs that bring a container through its life.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mini_docker::{
    container::Restart as Policy,
    engine::{Filter, Until},
};

use super::{args, container_args::LiveLimits};

/// `exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// Run the command in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a pseudo-terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Give extended privileges to the command
    #[arg(long)]
    pub privileged: bool,
    /// The container
    pub container: String,
    /// The command, with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_name = "COMMAND [ARG]")]
    pub command: Vec<String>,
}

/// `start`
#[derive(Debug, Args)]
pub struct Start {
    /// Attach the output and forward signals
    #[arg(short, long)]
    pub attach: bool,
    /// Attach the container's standard input
    #[arg(short, long)]
    pub interactive: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

/// `stop`
#[derive(Debug, Args)]
pub struct Stop {
    /// Signal to send to the container
    #[arg(short, long)]
    pub signal: Option<String>,
    /// Seconds to wait before killing the container [default: its own, or 10]
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS")]
    #[arg(allow_hyphen_values = true)]
    pub time: Option<i64>,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

/// `restart`
#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    pub stop: Stop,
}

/// `kill`
#[derive(Debug, Args)]
pub struct Kill {
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL")]
    pub signal: String,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

/// `wait`
#[derive(Debug, Args)]
pub struct Wait {
    /// What to wait for: not-running, next-exit or removed
    #[arg(long, value_name = "CONDITION", default_value = "not-running")]
    pub condition: Condition,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Condition {
    /// It does not run.
    NotRunning,
    /// It ends.
    NextExit,
    /// It is removed.
    Removed,
}

impl From<Condition> for Until {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::NotRunning => Self::NotRunning,
            Condition::NextExit => Self::NextExit,
            Condition::Removed => Self::Removed,
        }
    }
}

/// `attach`
#[derive(Debug, Args)]
pub struct Attach {
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Do not attach standard input
    #[arg(long)]
    pub no_stdin: bool,
    /// Proxy all received signals to the process
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    pub sig_proxy: bool,
    /// The container
    pub container: String,
}

/// `rename`
#[derive(Debug, Args)]
pub struct Rename {
    /// The container
    pub container: String,
    /// Its new name
    pub new_name: String,
}

/// `update`
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    pub limits: LiveLimits,
    /// Restart policy to apply when a container exits
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<Policy>,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

/// `container`: the verbs that are about containers, with a word in front.
#[derive(Debug, Subcommand)]
pub enum ContainerVerb {
    /// Attach local standard input, output, and error streams to a running container
    Attach(Attach),
    /// Create a new image from a container's changes
    Commit(args::Commit),
    /// Create a new container
    Create(args::Create),
    /// Inspect changes to files or directories on a container's file system
    Diff(args::Name),
    /// Execute a command in a running container
    Exec(Exec),
    /// Display detailed information on one or more containers
    Inspect(args::Inspect),
    /// Kill one or more running containers
    Kill(Kill),
    /// Fetch the logs of a container
    Logs(args::Logs),
    /// List containers
    #[command(visible_aliases = ["list", "ps"])]
    Ls(args::Ps),
    /// Pause all processes within one or more containers
    Pause(args::Names),
    /// Remove all stopped containers
    Prune(PruneContainers),
    /// Rename a container
    Rename(Rename),
    /// Restart one or more containers
    Restart(Restart),
    /// Remove one or more containers
    #[command(alias = "remove")]
    Rm(args::Rm),
    /// Create and run a new container from an image
    Run(args::Run),
    /// Start one or more stopped containers
    Start(Start),
    /// Stop one or more running containers
    Stop(Stop),
    /// Unpause all processes within one or more containers
    Unpause(args::Names),
    /// Update configuration of one or more containers
    Update(Update),
    /// Block until one or more containers stop, then print their exit codes
    Wait(Wait),
}

impl ContainerVerb {
    /// The same verb without the word in front; `prune` is the only one that has none.
    pub fn into_verb(self) -> Result<args::Verb, PruneContainers> {
        use args::Verb;
        Ok(match self {
            Self::Prune(it) => return Err(it),
            Self::Inspect(it) => {
                Verb::Inspect(args::Inspect { kind: Some("container".into()), ..it })
            }
            Self::Attach(it) => Verb::Attach(it),
            Self::Commit(it) => Verb::Commit(it),
            Self::Create(it) => Verb::Create(it),
            Self::Diff(it) => Verb::Diff(it),
            Self::Exec(it) => Verb::Exec(it),
            Self::Kill(it) => Verb::Kill(it),
            Self::Logs(it) => Verb::Logs(it),
            Self::Ls(it) => Verb::Ps(it),
            Self::Pause(it) => Verb::Pause(it),
            Self::Rename(it) => Verb::Rename(it),
            Self::Restart(it) => Verb::Restart(it),
            Self::Rm(it) => Verb::Rm(it),
            Self::Run(it) => Verb::Run(it),
            Self::Start(it) => Verb::Start(it),
            Self::Stop(it) => Verb::Stop(it),
            Self::Unpause(it) => Verb::Unpause(it),
            Self::Update(it) => Verb::Update(it),
            Self::Wait(it) => Verb::Wait(it),
        })
    }
}

/// `container prune`
#[derive(Debug, Args)]
pub struct PruneContainers {
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub force: bool,
    /// Provide filter values: until=TIME, label=NAME[=VALUE], label!=NAME[=VALUE]
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<Filter>,
}

/// `keep`
#[derive(Debug, Args)]
pub struct Kept {
    /// The container
    pub id: String,
}

/// `probe`
#[derive(Debug, Args)]
pub struct Probe {
    /// The container
    pub id: String,
}
