//! Devices of the host.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A device of the host that a container gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceUse {
    /// The node on the host, or a directory of nodes.
    pub host: PathBuf,
    /// Where it is inside.
    pub inside: PathBuf,
    /// Letters out of `rwm`: read, write, mknod.
    pub access: String,
}

/// Devices that may be opened, should a node for them be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAccess {
    /// `a` for all, `b` or `c`.
    pub kind: char,
    /// The major number; any if none.
    pub major: Option<i64>,
    /// The minor number; any if none.
    pub minor: Option<i64>,
    /// Letters out of `rwm`.
    pub access: String,
}
