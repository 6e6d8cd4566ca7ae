//! Ids in a joined user namespace: whoever comes from outside may have none there.
//!
//! Our ids stay what they are when we join a user namespace; where its map does not hold them, we
//! are 65534, nobody. The capabilities are there all the same, and with them we can become 0.

use ground::{Errno, Explanation, Step};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::Target;

/// Becomes user and group 0 of the user namespace that was joined, and of no other group.
#[derive(Debug)]
pub struct BecomeRoot {
    drop_groups: bool,
}

impl BecomeRoot {
    /// For the user namespace of `target`, where setgroups(2) may be denied: then the groups stay.
    pub fn of(target: &Target) -> Self {
        Self { drop_groups: !target.denies_setgroups() }
    }
}

impl Step for BecomeRoot {
    fn run(&self) -> Result<(), Errno> {
        // In this order: after the change of users the right to change groups may be gone.
        if self.drop_groups {
            setgroups(&[])?;
        }
        let (root_group, root) = (Gid::from_raw(0), Uid::from_raw(0));
        setresgid(root_group, root_group, root_group)?;
        setresuid(root, root, root)
    }

    fn explain(&self) -> Explanation {
        let groups = if self.drop_groups { "setgroups(0, NULL); " } else { "" };
        Explanation::new(
            format!("{groups}setresgid(0, 0, 0); setresuid(0, 0, 0)"),
            "our ids outside may have none in the user namespace, 0 usually has",
            "7 user_namespaces",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EINVAL => {
                Some("0 has no map in that user namespace (cat /proc/PID/uid_map): keep the ids")
            }
            Errno::EPERM => Some("join the user namespace (-U) to have the right to change ids"),
            Errno::EAGAIN => Some("user 0 has too many processes there: raise RLIMIT_NPROC"),
            _ => None,
        }
    }
}
