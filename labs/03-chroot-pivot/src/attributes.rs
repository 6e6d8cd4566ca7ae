//! What a mount allows, in the three languages of the kernel.

use std::os::fd::AsFd;

use ground::Errno;
use nix::{
    mount::MsFlags,
    sys::statvfs::{FsFlags, fstatvfs},
};

/// What mount(2), statvfs(3) and mount_setattr(2) call the same attribute.
const ATTRIBUTES: [(u64, &str, MsFlags, FsFlags); 7] = [
    (libc::MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY", MsFlags::MS_RDONLY, FsFlags::ST_RDONLY),
    (libc::MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID", MsFlags::MS_NOSUID, FsFlags::ST_NOSUID),
    (libc::MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV", MsFlags::MS_NODEV, FsFlags::ST_NODEV),
    (libc::MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC", MsFlags::MS_NOEXEC, FsFlags::ST_NOEXEC),
    (libc::MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME", MsFlags::MS_NOATIME, FsFlags::ST_NOATIME),
    (
        libc::MOUNT_ATTR_NODIRATIME,
        "MOUNT_ATTR_NODIRATIME",
        MsFlags::MS_NODIRATIME,
        FsFlags::ST_NODIRATIME,
    ),
    (
        libc::MOUNT_ATTR_NOSYMFOLLOW,
        "MOUNT_ATTR_NOSYMFOLLOW",
        MsFlags::from_bits_retain(0x100),
        FsFlags::from_bits_retain(0x2000),
    ),
];

/// MOUNT_ATTR_* by name; `0` for none.
pub fn attribute_names(attributes: u64) -> String {
    let strict = (libc::MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME");
    let atime = libc::MOUNT_ATTR__ATIME;
    if attributes & atime == atime {
        let rest = attribute_names(attributes & !atime);
        return if rest == "0" { "MOUNT_ATTR__ATIME".into() } else { rest + "|MOUNT_ATTR__ATIME" };
    }
    let all = ATTRIBUTES.iter().map(|(bit, name, ..)| (*bit, *name)).chain([strict]);
    let names: Vec<_> =
        all.filter(|(bit, _)| attributes & bit != 0).map(|(_, name)| name).collect();
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}

/// The attributes that the mount of an open file has now.
///
/// # Errors
/// As fstatvfs(3).
pub fn attributes_of(file: impl AsFd) -> Result<u64, Errno> {
    let flags = fstatvfs(file)?.flags();
    let has = ATTRIBUTES.iter().filter(|(.., seen)| flags.contains(*seen));
    let found = has.fold(0, |all, (bit, ..)| all | bit);
    let atime_free = !flags.intersects(FsFlags::ST_NOATIME | FsFlags::ST_RELATIME);
    Ok(if atime_free { found | libc::MOUNT_ATTR_STRICTATIME } else { found })
}

/// The same for mount(2).
pub(crate) fn flags_of(attributes: u64) -> MsFlags {
    let set = ATTRIBUTES.iter().filter(|(bit, ..)| attributes & bit != 0);
    let flags = set.fold(MsFlags::empty(), |all, (_, _, flag, _)| all | *flag);
    match attributes & libc::MOUNT_ATTR__ATIME {
        libc::MOUNT_ATTR_STRICTATIME => flags | MsFlags::MS_STRICTATIME,
        libc::MOUNT_ATTR_RELATIME => flags | MsFlags::MS_RELATIME,
        _ => flags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_and_mount_setattr_mean_the_same() {
        let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_STRICTATIME;
        assert_eq!(flags_of(attributes), MsFlags::MS_RDONLY | MsFlags::MS_STRICTATIME);
        assert_eq!(flags_of(0), MsFlags::MS_RELATIME);
    }
}
