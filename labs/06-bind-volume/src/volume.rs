//! A volume for a container that is not running yet: a mount at a path inside its root.

use std::path::Path;

use ground::{Error, Explanation, Result};
use rootfs::{Change, Reach};

use crate::{Access, Inside, MountInside, Wanted};

const WHY: &str = "the volume: both paths lead to the same inodes. The target is opened with \
                   openat2(2), RESOLVE_IN_ROOT, so that no link in the image leads it astray";

// ANCHOR: volume
/// One volume: `source`, a path of the host, at `target` of the container with its root at `root`.
/// To be run in the container's mount namespace, before the pivot: afterwards there is no path to
/// `source` left.
///
/// The mount point is made when it is missing, and then stays in the root file system, empty: that
/// is what a commit sees of a volume. The mount itself goes with the mount namespace.
///
/// # Errors
/// A source that does not exist (Docker makes a directory then, and a misspelt path goes
/// unnoticed; we ask), or a path with a NUL byte.
pub fn volume(source: &Path, root: &Path, target: &Path, access: Access) -> Result<MountInside> {
    let file = std::fs::metadata(source).map_err(|error| {
        Error::new(format!("cannot use {} as a volume", source.display()))
            .io(format_args!("stat {}", source.display()), &error)
            .fix(format!("create it first: mkdir -p {}", source.display()))
    })?;
    let mount = MountInside::bind(source, Inside::new(root, target)?, Wanted::like(&file))?;
    Ok(mount.changed(changed(access)).why(WHY))
}
// ANCHOR_END: volume

/// The calls for `source` at `target`, whether they exist or not: for plans.
pub fn volume_explained(
    source: &Path,
    target: impl std::fmt::Display,
    access: Access,
) -> Explanation {
    let change = match access {
        Access::ReadOnly => format!("{}; ", changed(access)),
        Access::ReadWrite => String::new(),
    };
    let call = format!(
        "open_tree({source:?}, OPEN_TREE_CLONE|AT_RECURSIVE); {change}move_mount(.., \"{target}\")"
    );
    Explanation::new(call, WHY, "2 move_mount")
}

/// `:ro` reaches the mounts below as well.
fn changed(access: Access) -> Change {
    match access {
        Access::ReadOnly => Change::set(libc::MOUNT_ATTR_RDONLY, Reach::All),
        Access::ReadWrite => Change::default(),
    }
}
