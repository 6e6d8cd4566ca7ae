//! Capabilities: the fourteen pieces of root's power that Docker leaves to a container, and what was
//! added and dropped. What is missing would reach beyond the container: mounts, kernel modules, the
//! clock, other processes' memory, the firewall.

use mini_runc::defaults::CAPABILITIES;
use oci::runtime::Capabilities;

use crate::container::Security;

/// All of them, in the order of their numbers (include/uapi/linux/capability.h).
pub const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The bounding set: the default, with what was added and without what was dropped. A capability
/// that was both added and dropped is dropped, but one that was added stays when ALL are dropped.
pub fn bounding(security: &Security) -> Vec<String> {
    let names = |list: &[String], name: &str| list.iter().any(|word| word == name);
    let is_in = |name: &str| {
        if security.privileged {
            return true;
        }
        let added = names(&security.cap_add, name);
        let dropped = names(&security.cap_drop, name);
        let by_default = match (names(&security.cap_add, "ALL"), names(&security.cap_drop, "ALL")) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => CAPABILITIES.iter().any(|it| it.strip_prefix("CAP_") == Some(name)),
        };
        !dropped && (added || by_default)
    };
    ALL.into_iter().filter(|name| is_in(name)).map(|name| format!("CAP_{name}")).collect()
}

/// The five sets. Another user than root gets none to use; the bounding set is what a set-user-ID
/// program could give back.
pub fn of(security: &Security, is_root: bool) -> Capabilities {
    let bounding = bounding(security);
    let usable = if is_root { bounding.clone() } else { Vec::new() };
    Capabilities {
        bounding,
        effective: usable.clone(),
        permitted: usable,
        inheritable: Vec::new(),
        ambient: Vec::new(),
    }
}

/// Everything, for a privileged program.
pub fn all() -> Capabilities {
    of(&Security { privileged: true, ..Security::default() }, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(add: &[&str], drop: &[&str], count: usize, has: &[&str]) {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let security =
            Security { cap_add: words(add), cap_drop: words(drop), ..Security::default() };
        let bounding = bounding(&security);
        assert_eq!(bounding.len(), count, "{bounding:?}");
        for name in has {
            assert!(bounding.contains(&format!("CAP_{name}")), "{name} in {bounding:?}");
        }
    }

    #[test]
    fn the_sets_are_dockers() {
        check(&[], &[], 14, &["NET_RAW", "SETFCAP", "SYS_CHROOT"]);
        check(&["SYS_TIME"], &["NET_RAW", "MKNOD"], 13, &["SYS_TIME"]);
        check(&[], &["ALL"], 0, &[]);
        check(&["CHOWN"], &["ALL"], 1, &["CHOWN"]);
        check(&["ALL"], &[], 41, &["SYS_ADMIN"]);
        check(&["ALL"], &["SYS_ADMIN"], 40, &["BPF"]);
    }

    #[test]
    fn another_user_than_root_has_none_to_use() {
        let sets = of(&Security::default(), false);
        assert_eq!(sets.bounding.len(), 14);
        assert!(sets.effective.is_empty() && sets.permitted.is_empty());
    }
}
