//! Arguments of `volume`.

use clap::{Args, Subcommand};
use mini_docker::engine::Filter;

/// `volume`
#[derive(Debug, Subcommand)]
pub enum Volume {
    /// Create a volume
    Create(VolumeCreate),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(VolumeLs),
    /// Display detailed information on volumes
    Inspect {
        /// Format output: json, or a Go template
        #[arg(short, long, value_name = "FORMAT")]
        format: Option<String>,
        /// The volumes
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm {
        /// Say nothing of volumes that are not there
        #[arg(short, long)]
        force: bool,
        /// The volumes
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove unused local volumes
    Prune(VolumePrune),
}

/// `volume create`
#[derive(Debug, Args)]
pub struct VolumeCreate {
    /// Specify volume driver name: local
    #[arg(short, long, default_value = "local")]
    pub driver: String,
    /// Set metadata for a volume
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Set driver specific options: type, device and o, as mount(8) has them
    #[arg(short, long = "opt", value_name = "NAME=VALUE")]
    pub opt: Vec<String>,
    /// Its name; one is found if there is none
    #[arg(default_value = "", hide_default_value = true)]
    pub name: String,
}

/// `volume ls`
#[derive(Debug, Args)]
pub struct VolumeLs {
    /// Only display volume names
    #[arg(short, long)]
    pub quiet: bool,
    /// Provide filter values: dangling=true, driver=local, label=NAME[=VALUE], name=PART
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub filter: Vec<Filter>,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `volume prune`
#[derive(Debug, Args)]
pub struct VolumePrune {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    pub all: bool,
    /// Provide filter values: label=NAME[=VALUE], label!=NAME[=VALUE]
    #[arg(long, value_name = "NAME=VALUE")]
    pub filter: Vec<Filter>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub force: bool,
}
