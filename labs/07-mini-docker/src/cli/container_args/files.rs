//! Arguments about files: what is mounted, and which devices are there.

use clap::Args;

/// What the container sees besides its image.
#[derive(Debug, Args)]
#[command(next_help_heading = "Its files")]
pub struct FileFlags {
    /// Bind mount a volume
    #[arg(short, long, value_name = "SRC:DST[:OPTIONS]")]
    pub volume: Vec<String>,
    /// Attach a file system mount to the container
    #[arg(long, value_name = "type=bind|volume|tmpfs,..")]
    pub mount: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "DST[:OPTIONS]")]
    pub tmpfs: Vec<String>,
    /// Mount volumes from the specified containers
    #[arg(long, value_name = "CONTAINER[:ro]")]
    pub volumes_from: Vec<String>,
    /// Volume driver for the container: local
    #[arg(long, value_name = "DRIVER")]
    pub volume_driver: Option<String>,
    /// Mount the container's root file system as read only
    #[arg(long)]
    pub read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<cgroups::Bytes>,
    /// Add a host device to the container
    #[arg(long, value_name = "HOST[:INSIDE[:rwm]]")]
    pub device: Vec<String>,
    /// Add a rule to the list of allowed devices
    #[arg(long, value_name = "c 1:3 rwm")]
    pub device_cgroup_rule: Vec<String>,
    /// Storage driver options for the container
    #[arg(long, value_name = "NAME=VALUE")]
    pub storage_opt: Vec<String>,
}
