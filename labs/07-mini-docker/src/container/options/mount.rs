//! What is mounted into a container besides its image.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One mount that the user or the image asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: Source,
    /// Where, absolute inside the container.
    pub destination: PathBuf,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// How mounts made later spread, in the words of mount(8): `rshared`, `slave`; `rprivate` if
    /// none (mount_namespaces(7)).
    #[serde(default)]
    pub propagation: Option<String>,
    /// Whether mounts below the source stay outside.
    #[serde(default)]
    pub not_recursive: bool,
    /// Whether a new volume stays empty instead of beginning with what the image has there.
    #[serde(default)]
    pub no_copy: bool,
    /// The directory of the volume that is mounted; all of it if none.
    #[serde(default)]
    pub subpath: Option<PathBuf>,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A path of the host.
    Bind(PathBuf),
    /// A named volume.
    Volume {
        /// Its name.
        name: String,
        /// Whether we chose the name; then the volume goes with the container (`--rm`, `rm -v`).
        anonymous: bool,
    },
    /// A file system in memory, with options as in `size=64m`.
    Tmpfs(Vec<String>),
}

impl Mount {
    /// A mount that can be written, with nothing special about it.
    pub fn new(source: Source, destination: impl Into<PathBuf>) -> Self {
        Self {
            source,
            destination: destination.into(),
            read_only: false,
            propagation: None,
            not_recursive: false,
            no_copy: false,
            subpath: None,
        }
    }

    /// Whether mounts made later come in, or go out.
    pub fn spreads(&self) -> bool {
        self.propagation.as_deref().is_some_and(|it| !it.ends_with("private"))
    }

    /// The volume's name, if it is one.
    pub fn volume(&self) -> Option<&str> {
        match &self.source {
            Source::Volume { name, .. } => Some(name),
            Source::Bind(_) | Source::Tmpfs(_) => None,
        }
    }
}
