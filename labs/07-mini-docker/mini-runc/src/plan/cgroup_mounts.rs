//! The cgroup mount: the container's view of its own group at /sys/fs/cgroup.
//!
//! v2 is one mount. v1 is a tmpfs with a directory per hierarchy: a fresh mount of each where the
//! container has a cgroup namespace, else the container's own group, bound. Where we have no group
//! (an ordinary user without delegation) the host's tree is shown, read-only.
//!
//! Source: runtime specification, config.md, "Mounts"; runc's mountCgroupV1, mountCgroupV2.

use ground::Result;
use oci::runtime::{self, NamespaceKind};
use rootfs::{Mount, MsFlags, Symlink, c_path};

use super::{
    Context, Steps,
    mounts::Options,
    target::{At, Target, Wanted},
};
use crate::cgroup::Tree;

/// # Errors
/// An option that is not honoured, a path with a NUL byte.
pub(super) fn steps(
    context: &Context<'_>,
    mount: &runtime::Mount,
    steps: &mut Steps,
) -> Result<()> {
    let flags = Options::parse(&mount.options)?.flags;
    let own_namespace = context.makes(NamespaceKind::Cgroup);
    let at = &mount.destination;
    let Some(place) = context.cgroup else {
        bind(context, "/sys/fs/cgroup", at, flags | MsFlags::MS_RDONLY, steps)?;
        return Ok(());
    };
    match place.trees() {
        [Tree { names: None, directory, .. }] => {
            if own_namespace {
                filesystem(context, c"cgroup2", at, flags, "", steps)
            } else {
                bind(context, &directory.to_string_lossy(), at, flags, steps)
            }
        }
        trees => v1(context, trees, at, flags, steps),
    }
}

fn v1(
    context: &Context<'_>,
    trees: &[Tree],
    at: &str,
    flags: MsFlags,
    steps: &mut Steps,
) -> Result<()> {
    let writable = flags - MsFlags::MS_RDONLY;
    filesystem(context, c"tmpfs", at, writable, "mode=755", steps)?;
    for tree in trees {
        let below = format!("{at}/{}", tree.name());
        match &tree.names {
            Some(names) if context.makes(NamespaceKind::Cgroup) => {
                filesystem(context, c"cgroup", &below, flags, names, steps)?;
            }
            None if context.makes(NamespaceKind::Cgroup) => {
                filesystem(context, c"cgroup2", &below, flags, "", steps)?;
            }
            _ => bind(context, &tree.directory.to_string_lossy(), &below, flags, steps)?,
        }
        // `cpu` and `cpuacct` are names for the mount `cpu,cpuacct`.
        for alias in tree.name().split(',').filter(|alias| *alias != tree.name()) {
            let link = c_path(format!("{}/{alias}", context.slot.path()))?;
            let step = Symlink::new(c_path(tree.name())?, link, "each controller by its own name");
            let target = Target::new(at)?;
            steps.add("lab-02", At { target, wanted: Wanted::Existing, slot: context.slot, step });
        }
    }
    if flags.contains(MsFlags::MS_RDONLY) {
        remount(context, at, flags, steps)?;
    }
    Ok(())
}

fn filesystem(
    context: &Context<'_>,
    kind: &std::ffi::CStr,
    at: &str,
    flags: MsFlags,
    data: &str,
    steps: &mut Steps,
) -> Result<()> {
    let to = c_path(context.slot.path())?;
    let step = Mount::filesystem(kind, kind, to, flags, c_path(data)?)
        .why("control groups, seen from the root of the cgroup namespace");
    let target = Target::new(at)?;
    steps.add("lab-02", At { target, wanted: Wanted::Directory, slot: context.slot, step });
    Ok(())
}

fn bind(
    context: &Context<'_>,
    from: &str,
    at: &str,
    flags: MsFlags,
    steps: &mut Steps,
) -> Result<()> {
    let step = Mount::rbind(c_path(from)?, c_path(context.slot.path())?)
        .why("the container's own group, without those above it");
    let target = Target::new(at)?;
    steps.add("lab-02", At { target, wanted: Wanted::Directory, slot: context.slot, step });
    remount(context, at, flags, steps)
}

fn remount(context: &Context<'_>, at: &str, flags: MsFlags, steps: &mut Steps) -> Result<()> {
    let step = Mount::remount(c_path(context.slot.path())?, flags | MsFlags::MS_BIND);
    let target = Target::new(at)?;
    steps.add("lab-02", At { target, wanted: Wanted::Existing, slot: context.slot, step });
    Ok(())
}
