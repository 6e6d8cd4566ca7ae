//! Arguments of the verbs that only look.

use clap::Args;
use mini_docker::engine::Filter;

/// `top`
#[derive(Debug, Args)]
pub struct Top {
    /// The container
    pub container: String,
    /// Options of ps(1)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ps OPTIONS")]
    pub options: Vec<String>,
}

/// `stats`
#[derive(Debug, Args)]
pub struct Stats {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    pub all: bool,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    pub no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// The containers; all that run if none is named
    #[arg(value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// `events`
#[derive(Debug, Args)]
pub struct Events {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub filter: Vec<Filter>,
    /// Format output: json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Show all events created since a time (2026-01-02T13:23:37Z) or a duration (42m)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Stream events until this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<String>,
}

/// `info`
#[derive(Debug, Args)]
pub struct Info {
    /// Format output: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `xray`
#[derive(Debug, Args)]
pub struct Xray {
    /// Print the facts as JSON
    #[arg(long)]
    pub json: bool,
    /// A container of mini-docker, Docker, Podman, containerd or Kubernetes, or a process
    #[arg(value_name = "CONTAINER|PID")]
    pub target: String,
}

/// `version`
#[derive(Debug, Args)]
pub struct Version {
    /// Format output: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}
