//! Arguments about namespaces: what a container does not get for itself.

use clap::Args;

/// What the container shares with the host, or with another container.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it shares")]
pub struct NamespaceFlags {
    /// IPC mode to use: private, shareable, none, host or container:NAME
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// PID namespace to use: host or container:NAME
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// UTS namespace to use: host
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// User namespace to use: host
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Cgroup namespace to use: private or host
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Container isolation technology: default
    #[arg(long, value_name = "TECHNOLOGY")]
    pub isolation: Option<String>,
}
