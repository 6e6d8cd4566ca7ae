//! Arguments of the verbs that move files and images in and out.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mini_docker::engine::Filter;

use super::args::{History, Images, Pull, Push, Rmi, Tag, Verb};

/// `save`
#[derive(Debug, Args)]
pub struct Save {
    /// Write to a file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The images
    #[arg(required = true)]
    pub images: Vec<String>,
}

/// `load`
#[derive(Debug, Args)]
pub struct Load {
    /// Read from a tar archive file, instead of standard input
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Load only this platform of an image for several
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<oci::Platform>,
    /// Suppress the load output
    #[arg(short, long)]
    pub quiet: bool,
}

/// `import`
#[derive(Debug, Args)]
pub struct Import {
    /// Apply Dockerfile instructions to the created image
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Set platform, if it is not this machine's
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<oci::Platform>,
    /// A tar archive, or - for standard input
    #[arg(value_name = "FILE|URL|-")]
    pub source: String,
    /// The name of the new image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub image: Option<String>,
}

/// `image`: the same verbs, under the name of what they are about.
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Show the history of an image
    History(History),
    /// Import the contents of a tarball to create a filesystem image
    Import(Import),
    /// Load an image from a tar archive or standard input
    Load(Load),
    /// List images
    #[command(visible_alias = "list")]
    Ls(Images),
    /// Remove unused images
    Prune(PruneImages),
    /// Download an image from a registry
    Pull(Pull),
    /// Upload an image to a registry
    Push(Push),
    /// Remove one or more images
    #[command(visible_alias = "remove")]
    Rm(Rmi),
    /// Save one or more images to a tar archive
    Save(Save),
    /// Create a tag that refers to an image
    Tag(Tag),
}

impl Image {
    /// The same verb without the word in front; `prune` is the only one that has none.
    pub fn into_verb(self) -> Result<Verb, PruneImages> {
        Ok(match self {
            Self::History(it) => Verb::History(it),
            Self::Import(it) => Verb::Import(it),
            Self::Load(it) => Verb::Load(it),
            Self::Ls(it) => Verb::Images(it),
            Self::Prune(it) => return Err(it),
            Self::Pull(it) => Verb::Pull(it),
            Self::Push(it) => Verb::Push(it),
            Self::Rm(it) => Verb::Rmi(it),
            Self::Save(it) => Verb::Save(it),
            Self::Tag(it) => Verb::Tag(it),
        })
    }
}

/// `cp`
#[derive(Debug, Args)]
pub struct Cp {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    pub archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// Suppress what was copied
    #[arg(short, long)]
    pub quiet: bool,
    /// What is copied, or - for a tar archive on standard input
    #[arg(value_name = "CONTAINER:SRC_PATH|SRC_PATH|-")]
    pub source: String,
    /// Where it goes, or - for a tar archive on standard output
    #[arg(value_name = "DEST_PATH|CONTAINER:DEST_PATH|-")]
    pub target: String,
}

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// Write to a file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The container
    pub container: String,
}

/// `image prune`
#[derive(Debug, Args)]
pub struct PruneImages {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    pub all: bool,
    /// Provide filter values (e.g. "until=24h", "label=keep")
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<Filter>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub force: bool,
}

/// `system`
#[derive(Debug, Subcommand)]
pub enum System {
    /// Show disk usage
    Df(Df),
    /// Verify all digests and references, and repair what can be repaired
    Check(Check),
    /// Remove unused data
    Prune(PruneSystem),
}

/// `system df`
#[derive(Debug, Args)]
pub struct Df {
    /// Show detailed information on space usage
    #[arg(short, long)]
    pub verbose: bool,
    /// Format output: table, table TEMPLATE, json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `system check`
#[derive(Debug, Args)]
pub struct Check {
    /// Repair what can be repaired
    #[arg(long)]
    pub repair: bool,
}

/// `system prune`
#[derive(Debug, Args)]
pub struct PruneSystem {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    pub all: bool,
    /// Provide filter values (e.g. "until=24h", "label=keep")
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<Filter>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub force: bool,
    /// Prune anonymous volumes as well
    #[arg(long)]
    pub volumes: bool,
}
