//! What the container's root may do.

use serde::{Deserialize, Serialize};

/// What the container's root may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// Capabilities beyond the default, without the prefix `CAP_`; `ALL` for all.
    pub cap_add: Vec<String>,
    /// Capabilities to take away; `ALL` for all.
    pub cap_drop: Vec<String>,
    /// Everything is allowed.
    pub privileged: bool,
    /// The image cannot be written.
    pub read_only: bool,
    /// No program gains privileges by exec (PR_SET_NO_NEW_PRIVS(2const)).
    pub no_new_privileges: bool,
    /// Which system calls are filtered.
    pub seccomp: SeccompMode,
    /// The AppArmor profile.
    pub apparmor: Option<String>,
    /// What SELinux's label says instead of the default: `type:container_t`, `disable`.
    pub labels: Vec<String>,
    /// Nothing of /proc and /sys is hidden or read-only.
    pub system_paths_unconfined: bool,
}

/// Which system calls are filtered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeccompMode {
    /// Docker's list of what is allowed.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// A list of the user's, in the format of Docker's own.
    Profile(serde_json::Value),
}
