//! The caller: what this process may and is, read once, so that a plan can be a pure function.

use std::{
    fs::File,
    io::{self, Read},
};

use ground::{Error, Result};

/// What the plan has to know of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Whether we are in a user namespace other than the initial one, as mini-docker's are when an
    /// ordinary user runs it.
    pub(crate) in_user_namespace: bool,
    /// Whether we are root, of the machine or of a user namespace.
    pub(crate) is_root: bool,
    /// Whether setgroups(2) is denied in it.
    pub(crate) setgroups_denied: bool,
    /// The group ids that exist here: first, count.
    pub(crate) gids: Vec<(u32, u32)>,
    /// Our bounding set: what we can hand on.
    pub(crate) bounding: u64,
    /// The highest capability of this kernel.
    pub(crate) last_capability: u8,
    /// Whether hard limits can be raised at all: CAP_SYS_RESOURCE is in the bounding set.
    pub(crate) may_raise_limits: bool,
    /// The lowest oom_score_adj that we may set; `None` when any.
    pub(crate) oom_score_adj_min: Option<i32>,
    /// Whether AppArmor is on.
    pub(crate) apparmor: bool,
    /// Whether SELinux is on.
    pub(crate) selinux: bool,
}

/// CAP_SYS_RESOURCE's bit.
const SYS_RESOURCE: u64 = 1 << 24;

impl Caller {
    /// Reads it from /proc/self.
    ///
    /// # Errors
    /// /proc is not mounted.
    pub(crate) fn look() -> Result<Self> {
        let status = read("/proc/self/status")?;
        let bounding = mask(&status, "CapBnd:");
        let in_user_namespace = !maps_everything(&read("/proc/self/uid_map")?);
        // In a user namespace CAP_SYS_RESOURCE is none: rlimits are judged by the initial one.
        let may_raise_limits = !in_user_namespace && bounding & SYS_RESOURCE != 0;
        Ok(Self {
            in_user_namespace,
            is_root: nix::unistd::geteuid().is_root(),
            setgroups_denied: optional("/proc/self/setgroups").trim() == "deny",
            gids: inside(&read("/proc/self/gid_map")?),
            bounding,
            last_capability: optional("/proc/sys/kernel/cap_last_cap").trim().parse().unwrap_or(40),
            may_raise_limits,
            oom_score_adj_min: (!may_raise_limits)
                .then(|| optional("/proc/self/oom_score_adj").trim().parse().unwrap_or(0)),
            apparmor: optional("/sys/module/apparmor/parameters/enabled").starts_with('Y'),
            // The kernel has the file system as long as SELinux is not switched off.
            selinux: optional("/proc/filesystems").contains("selinuxfs"),
        })
    }

    /// Whether a group id exists here.
    pub(crate) fn maps_gid(&self, gid: u32) -> bool {
        self.gids.iter().any(|(first, count)| gid >= *first && gid - first < *count)
    }
}

/// Whether we are in a user namespace other than the initial one.
pub(crate) fn in_user_namespace() -> bool {
    // A kernel without user namespaces has no such file.
    let map = optional("/proc/self/uid_map");
    !map.is_empty() && !maps_everything(&map)
}

/// The text of a file of /proc. It says of itself that it has no bytes, so std would begin with 32 and
/// ask again and again; most of them are less than a page.
///
/// # Errors
/// As open(2) and read(2).
pub(crate) fn text_of(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(4096);
    File::open(path)?.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn read(path: &str) -> Result<String> {
    text_of(path).map_err(|error| {
        Error::new("cannot see who we are")
            .io(format_args!("read {path}"), &error)
            .see("5 proc")
            .fix("mount a proc file system: mount -t proc proc /proc")
    })
}

fn optional(path: &str) -> String {
    text_of(path).unwrap_or_default()
}

/// A mask in a line of /proc/PID/status.
fn mask(status: &str, label: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(label));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

/// The initial user namespace is the one that maps every id to itself.
fn maps_everything(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn inside(map: &str) -> Vec<(u32, u32)> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        let first = fields.next()?.parse().ok()?;
        Some((first, fields.nth(1)?.parse().ok()?))
    };
    map.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_user_namespace_maps_everything() {
        assert!(maps_everything("         0          0 4294967295\n"));
        assert!(!maps_everything("         0       1000          1\n"));
    }

    #[test]
    fn a_map_names_the_ids_inside() {
        let gids = inside("0 1000 1\n1 100000 65536\n");
        assert_eq!(gids, [(0, 1), (1, 65536)]);
    }

    #[test]
    fn a_mask_is_hexadecimal() {
        assert_eq!(mask("Name:\tx\nCapBnd:\t000001fffeffffff\n", "CapBnd:"), 0x1ff_feff_ffff);
    }
}
