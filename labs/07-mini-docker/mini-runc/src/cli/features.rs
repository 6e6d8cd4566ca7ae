//! features: what this runtime can do on any machine, for engines that choose by it.
//!
//! The lists are those that the rooms themselves go by, so that nothing can be promised here that is
//! refused there.
//!
//! Source: runtime specification, features.md, features-linux.md; runc-features(8).

use ground::Result;
use serde_json::json;

use super::look::{pretty, print};
use crate::{plan, seccomp};

pub(super) fn features() -> Result<()> {
    print(&pretty(&json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.3.0",
        "hooks": plan::HOOKS,
        "mountOptions": plan::mount_options(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": plan::names_of(u64::MAX),
            "cgroup": {
                "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": seccomp::ACTIONS,
                "operators": seccomp::OPERATORS,
                "archs": seccomp::ARCHITECTURES,
                "knownFlags": seccomp::FLAGS,
                "supportedFlags": supported_flags(),
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
            "memoryPolicy": {
                "modes": plan::memory_policy_modes(), "flags": plan::memory_policy_flags(),
            },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true },
        },
        "annotations": {
            "org.opencontainers.runc.checkpoint.enabled": "false",
            "org.opencontainers.runc.version": env!("CARGO_PKG_VERSION"),
        },
        "potentiallyUnsafeConfigAnnotations": [],
    }))?)
}

/// The flags that this kernel has: it knows a flag when it complains of the missing program
/// (EFAULT) and not of the flag (EINVAL).
fn supported_flags() -> Vec<&'static str> {
    let bits = [
        libc::SECCOMP_FILTER_FLAG_TSYNC,
        libc::SECCOMP_FILTER_FLAG_LOG,
        libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        // It is for listeners only.
        libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
    ];
    let known =
        |(name, bits): (&'static str, u64)| crate::sys::knows_seccomp_flags(bits).then_some(name);
    seccomp::FLAGS.into_iter().zip(bits).filter_map(known).collect()
}
