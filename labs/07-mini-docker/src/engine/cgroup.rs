//! Where a container's cgroup goes, and what is said where there is no place for one.

use cgroups::{Site, Version};
use ground::{Error, Result};

use crate::container::Record;

/// The path of the container's cgroup for the runtime; `None` where this user may make none and
/// nothing is limited: the container then stays in ours.
///
/// Directly below the root of each hierarchy, or below the group that was delegated to us. No
/// common parent: nobody could remove that without a race.
///
/// # Errors
/// Limits where no group can be made, with what would help (lab 02).
pub(super) fn path(record: &Record) -> Result<Option<String>> {
    let parent = record.options.cgroup_parent.as_deref().unwrap_or_default();
    let name = format!("/{}/mini-docker-{}", parent.trim_matches('/'), record.id);
    let name = name.replace("//", "/");
    match Site::find() {
        Err(_) if record.options.limits.is_none() => Ok(None),
        Err(error) => Err(Error { what: "cannot limit the container".into(), ..error }),
        // mini-runc finds the delegated group by itself.
        Ok(_) if is_own(record) => Ok(Some(name)),
        Ok(site) => Ok(Some(format!("{}{name}", delegated(&site)))),
    }
}

fn is_own(record: &Record) -> bool {
    record.options.runtime.as_deref().is_none_or(|name| name == crate::runtime::OWN_NAME)
}

/// The delegated group, as a path below the mount of the hierarchy; empty for the root.
fn delegated(site: &Site) -> String {
    let v2 = site.places.iter().find(|(tree, _)| tree.version == Version::V2);
    let below = v2.and_then(|(tree, place)| place.strip_prefix(&tree.mount_point).ok());
    below
        .filter(|path| !path.as_os_str().is_empty())
        .map_or(String::new(), |path| format!("/{}", path.display()))
}
