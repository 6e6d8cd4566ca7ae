//! Arguments about power: capabilities and the kernel's other guards.

use clap::Args;

/// What the container may do.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it may do")]
pub struct SecurityFlags {
    /// Add Linux capabilities
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// Give extended privileges to the container
    #[arg(long)]
    pub privileged: bool,
    /// no-new-privileges, seccomp=FILE|unconfined, apparmor=PROFILE, label=.., systempaths=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
}
