//! Arguments: flags as typed, with Docker's names.
//!
//! Only what clap can check by itself is checked here; `create` turns the words of `run` into what
//! they mean.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use mini_docker::engine::Filter;

pub use super::{
    archive_args::{Cp, Export, Image, Import, Load, Save, System},
    container_args::{
        AttachTo, ContainerFlags, Create, FileFlags, LimitFlags, LiveLimits, Pulling, Run,
        SecurityFlags,
    },
    lifecycle_args::{
        Attach, ContainerVerb, Exec, Kept, Kill, Probe, PruneContainers, Rename, Restart, Start,
        Stop, Update, Wait,
    },
    look_args::{Events, Info, Stats, Top, Version, Xray},
    network_args::{Network, PortOf},
    volume_args::{Volume, VolumeCreate, VolumeLs, VolumePrune},
};
pub use super::{
    login::{Login, Logout},
    search::Search,
};

/// Pull, run, commit, push: containers without a daemon
#[derive(Debug, Parser)]
#[command(name = "mini-docker", version, disable_version_flag = true)]
#[command(disable_help_subcommand = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

// What every verb takes. clap would show a doc comment as what the whole program is about.
#[derive(Debug, Args)]
pub struct Global {
    /// Where images and containers are kept
    #[arg(long, value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,
    /// Print version
    #[arg(short = 'v', short_alias = 'V', long, action = clap::ArgAction::Version)]
    pub version: Option<bool>,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in the life of a process")]
pub enum Command {
    /// A verb of the engine.
    #[command(flatten)]
    Verb(Verb),
    /// Manage containers
    #[command(subcommand, arg_required_else_help = true)]
    Container(Box<ContainerVerb>),
    /// Manage images
    #[command(subcommand, arg_required_else_help = true)]
    Image(Image),
    /// Show the version of mini-docker
    Version(Version),
    /// Print the script that makes Tab work in a shell
    Completion {
        /// bash, zsh, fish or elvish
        shell: String,
    },
    /// Write the pages for man(1)
    Man {
        /// Where to
        dir: PathBuf,
    },
    /// The lesson: an image made, pushed, pulled, run, changed, committed and pushed again
    Demo(Demo),
    /// A registry of our own
    #[command(subcommand, hide = true)]
    Registry(Registry),
    /// Hold the published ports of a container; started by its monitor
    #[command(hide = true)]
    Porter,
    /// Answer for names in a container; started by its monitor
    #[command(hide = true)]
    Resolver,
    /// Keep the network namespace of an ordinary user's networks; started by a monitor in one
    #[command(hide = true)]
    Holder,
    /// Do what is left to do in an ordinary user's user namespace; started by who is not in it
    #[command(hide = true)]
    Mend,
    /// Watch over a container; started by run and start
    #[command(hide = true)]
    Monitor(Monitor),
    /// Keep a further program of a container; started by exec
    #[command(hide = true)]
    Keep(Kept),
    /// Check once whether a container's program is well; started by its monitor
    #[command(hide = true)]
    Probe(Probe),
    /// Join the user namespace of a process, and execute a runtime there
    #[command(hide = true)]
    Inside(Inside),
}

/// The verbs of the engine.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create and run a new container from an image
    Run(Run),
    /// Execute a command in a running container
    Exec(Exec),
    /// List containers
    #[command(visible_alias = "list", alias = "ls")]
    Ps(Ps),
    /// Download an image from a registry
    Pull(Pull),
    /// Upload an image to a registry
    Push(Push),
    /// Authenticate to a registry
    Login(Login),
    /// Log out from a registry
    Logout(Logout),
    /// Search a registry for images
    Search(Search),
    /// List images
    Images(Images),
    /// Create a new container
    Create(Create),
    /// Start one or more stopped containers
    Start(Start),
    /// Stop one or more running containers
    Stop(Stop),
    /// Kill one or more running containers
    Kill(Kill),
    /// Remove one or more containers
    Rm(Rm),
    /// Restart one or more containers
    Restart(Restart),
    /// Pause all processes within one or more containers
    Pause(Names),
    /// Unpause all processes within one or more containers
    Unpause(Names),
    /// Block until one or more containers stop, then print their exit codes
    Wait(Wait),
    /// Attach local standard input, output, and error streams to a running container
    Attach(Attach),
    /// Rename a container
    Rename(Rename),
    /// Update configuration of one or more containers
    Update(Update),
    /// Start again what ran before the machine was started anew
    Resume,
    /// Fetch the logs of a container
    Logs(Logs),
    /// Return low-level information on Docker objects
    Inspect(Inspect),
    /// Display the running processes of a container
    Top(Top),
    /// Display a live stream of container(s) resource usage statistics
    Stats(Stats),
    /// Show what happens, as it happens
    Events(Events),
    /// Display system-wide information
    Info(Info),
    /// Inspect changes to files or directories on a container's file system
    Diff(Name),
    /// Create a new image from a container's changes
    Commit(Commit),
    /// Create a tag that refers to an image
    Tag(Tag),
    /// Remove one or more images
    Rmi(Rmi),
    /// Show the history of an image
    History(History),
    /// Manage networks
    #[command(subcommand, arg_required_else_help = true)]
    Network(Network),
    /// List port mappings of a container
    Port(PortOf),
    /// Copy files or folders between a container and the local filesystem
    Cp(Cp),
    /// Export a container's filesystem as a tar archive
    Export(Export),
    /// Import the contents of a tarball to create a filesystem image
    Import(Import),
    /// Load an image from a tar archive or standard input
    Load(Load),
    /// Save one or more images to a tar archive (streamed to standard output by default)
    Save(Save),
    /// Manage mini-docker: disk usage, unused data, verification
    #[command(subcommand, arg_required_else_help = true)]
    System(System),
    /// Manage volumes
    #[command(subcommand, arg_required_else_help = true)]
    Volume(Volume),
    /// Show what any container on this machine is made of, whoever made it
    Xray(Xray),
}

impl Verb {
    /// Which of an index's images is asked for.
    pub fn platform(&self) -> Option<&oci::Platform> {
        match self {
            Self::Pull(it) => it.platform.as_ref(),
            Self::Run(it) => it.container.platform.as_ref(),
            Self::Create(it) => it.container.platform.as_ref(),
            _ => None,
        }
    }
}

/// `ps`
#[derive(Debug, Args)]
pub struct Ps {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    pub all: bool,
    /// Only display container IDs
    #[arg(short, long)]
    pub quiet: bool,
    /// Don't truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true)]
    pub last: Option<i64>,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    pub latest: bool,
    /// Display total file sizes
    #[arg(short, long)]
    pub size: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub filter: Vec<Filter>,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `pull`
#[derive(Debug, Args)]
pub struct Pull {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    pub all_tags: bool,
    /// Suppress verbose output
    #[arg(short, long)]
    pub quiet: bool,
    /// Pull for this platform instead of this machine's
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<oci::Platform>,
    /// The image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    pub image: String,
}

/// `push`
#[derive(Debug, Args)]
pub struct Push {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    pub all_tags: bool,
    /// Suppress verbose output
    #[arg(short, long)]
    pub quiet: bool,
    /// The image
    #[arg(value_name = "NAME[:TAG]")]
    pub image: String,
}

/// `images`
#[derive(Debug, Args)]
pub struct Images {
    /// Show all images, also those without a name
    #[arg(short, long)]
    pub all: bool,
    /// Only show image IDs
    #[arg(short, long)]
    pub quiet: bool,
    /// Don't truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// Show digests
    #[arg(long)]
    pub digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub filter: Vec<Filter>,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Only images of this repository
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub repository: Option<String>,
}

/// `rm`
#[derive(Debug, Args)]
pub struct Rm {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    pub force: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    pub volumes: bool,
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

/// Several containers.
#[derive(Debug, Args)]
pub struct Names {
    /// The containers
    #[arg(required = true)]
    pub containers: Vec<String>,
}

/// One container.
#[derive(Debug, Args)]
pub struct Name {
    /// The container
    pub container: String,
}

/// `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Follow log output
    #[arg(short, long)]
    pub follow: bool,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, default_value = "all", value_name = "N")]
    #[arg(allow_hyphen_values = true)]
    pub tail: String,
    /// Show timestamps
    #[arg(short, long)]
    pub timestamps: bool,
    /// Show extra details provided to logs
    #[arg(long)]
    pub details: bool,
    /// Show logs since a time (2026-01-02T13:23:37Z) or a duration (42m)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Show logs before a time or a duration
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The container
    pub container: String,
}

/// `inspect`
#[derive(Debug, Args)]
pub struct Inspect {
    /// Format output: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    pub size: bool,
    /// Only inspect objects of this type: container, image, network or volume
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Containers, images, networks or volumes
    #[arg(required = true, value_name = "NAME|ID")]
    pub names: Vec<String>,
}

/// `commit`
#[derive(Debug, Args)]
pub struct Commit {
    /// Author
    #[arg(short, long)]
    pub author: Option<String>,
    /// Apply Dockerfile instructions to the created image
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Commit message
    #[arg(short, long)]
    pub message: Option<String>,
    /// Pause container during commit
    #[arg(short, long, default_value_t = true, action = clap::ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub pause: bool,
    /// The container
    pub container: String,
    /// The name of the new image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub image: Option<String>,
}

/// `tag`
#[derive(Debug, Args)]
pub struct Tag {
    /// The image
    pub source: String,
    /// Its further name
    pub target: String,
}

/// `rmi`
#[derive(Debug, Args)]
pub struct Rmi {
    /// Force removal of the image
    #[arg(short, long)]
    pub force: bool,
    /// Do not delete untagged parents (an image here has none)
    #[arg(long)]
    pub no_prune: bool,
    /// The images
    #[arg(required = true)]
    pub images: Vec<String>,
}

/// `history`
#[derive(Debug, Args)]
pub struct History {
    /// Don't truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    pub quiet: bool,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, default_value_t = true, action = clap::ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", hide_possible_values = true)]
    pub human: bool,
    /// The image
    pub image: String,
}

/// `demo`
#[derive(Debug, Clone, Args)]
pub struct Demo {
    #[command(flatten)]
    pub flags: ground::cli::Flags,
    /// The second half of the program, where nothing can be left behind; with the cgroup's name
    #[arg(long, hide = true, value_name = "CGROUP")]
    pub on_stage: Option<String>,
}

/// `registry`
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Serve the images of a directory
    Serve {
        /// The address to listen on; with port 0 the kernel chooses one
        #[arg(long, default_value = "127.0.0.1:5000")]
        listen: std::net::SocketAddr,
        /// End when the process that started it ends
        #[arg(long)]
        dies_with_parent: bool,
    },
}

/// `monitor`
#[derive(Debug, Args)]
pub struct Monitor {
    /// Whether the client stays
    #[arg(long)]
    pub attached: bool,
    /// The container
    pub id: String,
}

/// `inside`
#[derive(Debug, Args)]
pub struct Inside {
    /// The process
    pub pid: i32,
    /// The runtime, with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<std::ffi::OsString>,
}
