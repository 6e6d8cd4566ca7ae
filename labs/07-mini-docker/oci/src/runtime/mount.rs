//! Mount: one line of the file systems that a container sees.
//!
//! Source: runtime specification, config.md, "Mounts"; mount(8), mount(2).

use serde::{Deserialize, Serialize};

use super::IdMapping;

/// One mount; the list is worked off in order.
///
/// Source: config.md, "Mounts".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where, as an absolute path inside the container.
    pub destination: String,
    /// What: a device, a path of the host for bind mounts, or a free word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The file system's type, as in /proc/filesystems, or `bind`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Flags and data in the words of mount(8): `nosuid`, `rbind`, `mode=755`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// User IDs to show instead (mount_setattr(2), MOUNT_ATTR_IDMAP).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group IDs to show instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
}
