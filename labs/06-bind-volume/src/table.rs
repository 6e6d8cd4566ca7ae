//! The mount table as the kernel tells it: what is mounted where, and with whom it is shared.
//!
//! `/proc/PID/mountinfo` (man 5 proc_pid_mountinfo) has a line a mount. Its fourth field, *root*,
//! says which directory of the file system is shown, and so tells a bind mount from a whole one;
//! its optional fields are the propagation.

use std::path::Path;

use rootfs::MountInfo;

/// How mounts below one spread to others (man 7 mount_namespaces).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// To nobody and from nobody.
    Private,
    /// To and from the members of this peer group.
    Shared(u32),
    /// From this peer group, and not back.
    Slave(u32),
    /// From the first group, and on to the second.
    SlaveAndShared(u32, u32),
    /// As private, and it cannot be bound either.
    Unbindable,
}

impl std::fmt::Display for Propagation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Private => write!(f, "private"),
            Self::Shared(group) => write!(f, "shared:{group}"),
            Self::Slave(master) => write!(f, "master:{master}"),
            Self::SlaveAndShared(master, group) => write!(f, "master:{master} shared:{group}"),
            Self::Unbindable => write!(f, "unbindable"),
        }
    }
}

impl Propagation {
    /// Understands the optional fields of a mount: `shared:N`, `master:N`, `unbindable`; a private
    /// mount has none.
    pub fn of(mount: &MountInfo) -> Self {
        let group = |tag: &str| {
            let fields = mount.propagation.iter();
            fields.filter_map(|field| field.strip_prefix(tag)?.parse().ok()).next()
        };
        match (group("master:"), group("shared:")) {
            (Some(master), Some(group)) => Self::SlaveAndShared(master, group),
            (Some(master), None) => Self::Slave(master),
            (None, Some(group)) => Self::Shared(group),
            (None, None) if mount.propagation.iter().any(|field| field == "unbindable") => {
                Self::Unbindable
            }
            (None, None) => Self::Private,
        }
    }
}

/// The topmost mount at exactly `point`: later lines cover earlier ones.
pub fn at<'a>(table: &'a [MountInfo], point: &Path) -> Option<&'a MountInfo> {
    table.iter().rev().find(|mount| mount.point == point)
}

/// Whether this mount is read-only, whatever its file system is.
pub fn is_read_only(mount: &MountInfo) -> bool {
    mount.options.split(',').any(|option| option == "ro")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[track_caller]
    fn check(fields: &[&str], expected: Propagation) {
        let mount = MountInfo {
            id: 2,
            parent: 1,
            device: "0:40".to_owned(),
            root: PathBuf::from("/"),
            point: PathBuf::from("/mnt"),
            options: "rw,nosuid".to_owned(),
            propagation: fields.iter().map(|field| (*field).to_owned()).collect(),
            fstype: "tmpfs".to_owned(),
            source: "tmpfs".to_owned(),
        };
        assert_eq!(Propagation::of(&mount), expected);
        assert!(!is_read_only(&mount));
    }

    #[test]
    fn optional_fields_say_with_whom_a_mount_is_shared() {
        check(&[], Propagation::Private);
        check(&["shared:7"], Propagation::Shared(7));
        check(&["master:3", "propagate_from:2"], Propagation::Slave(3));
        check(&["shared:7", "master:3"], Propagation::SlaveAndShared(3, 7));
        check(&["unbindable"], Propagation::Unbindable);
    }
}
