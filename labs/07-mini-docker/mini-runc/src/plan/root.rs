//! The root: from "a directory on the host" to "the only root that there is".
//!
//! Source: runtime specification, config.md, "Root", config-linux.md, "Rootfs Mount Propagation";
//! pivot_root(2).

use ground::{Error, Result};
use rootfs::{Chdir, Mount, MsFlags, c_path, chroot, pivot};

use super::{
    Context, Steps,
    mounts::flags_of,
    target::{At, Target, Wanted},
};

/// Cuts the ties of the mount table and makes the rootfs a mount of its own; the working directory
/// is its root from here on.
///
/// # Errors
/// A propagation that has no meaning.
pub(super) fn enter(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    let ties = propagation(context.linux.rootfs_propagation.as_deref())?;
    steps.add(
        "lab-03",
        Mount::propagation(
            c"/",
            ties,
            "a copied mount table still shares its events: without this the host sees our mounts",
        ),
    );
    let rootfs = c_path(context.rootfs)?;
    let mount = Mount::rbind(rootfs.clone(), rootfs.clone());
    steps.add("lab-03", mount.why("pivot_root wants a mount point, not any directory"));
    steps.add(
        "lab-03",
        Mount::propagation(
            rootfs.clone(),
            MsFlags::MS_PRIVATE | MsFlags::MS_REC,
            "pivot_root refuses a shared new root, and nothing may spread out of it",
        ),
    );
    steps.add(
        "lab-03",
        Chdir::new(rootfs, "every path of the container is walked from here, with \"..\" and links kept inside: openat2(.., RESOLVE_IN_ROOT)"),
    );
    Ok(())
}

/// Slave by default: unmounting on the host still reaches the container, so that it holds no
/// device busy; nothing goes the other way.
fn propagation(wanted: Option<&str>) -> Result<MsFlags> {
    let flags = match wanted.unwrap_or_default() {
        "" | "slave" | "rslave" => MsFlags::MS_SLAVE,
        "private" | "rprivate" => MsFlags::MS_PRIVATE,
        "shared" | "rshared" => MsFlags::MS_SHARED,
        "unbindable" | "runbindable" => MsFlags::MS_PRIVATE,
        other => {
            return Err(Error::new("cannot set the propagation of the root")
                .why(format!("config.json, linux.rootfsPropagation is {other:?}"))
                .see("7 mount_namespaces")
                .fix("shared, slave, private and unbindable are accepted"));
        }
    };
    Ok(flags | MsFlags::MS_REC)
}

/// Makes the working directory where the image has none, as runc does.
///
/// # Errors
/// A relative path.
pub(super) fn working_directory(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    let cwd = &context.process.cwd;
    if !cwd.starts_with('/') {
        return Err(Error::new("Cwd must be an absolute path")
            .why(format!("config.json, process.cwd is {cwd:?}"))
            .fix("write the whole path, from \"/\" on"));
    }
    if cwd != "/" {
        steps.add("lab-03", super::paths::MakeDirectory(Target::new(cwd)?));
    }
    Ok(())
}

/// The pivot; then a read-only root where that is asked for.
///
/// # Errors
/// A path with a NUL byte.
pub(super) fn leave_the_old_one(
    context: &Context<'_>,
    no_pivot: bool,
    steps: &mut Steps,
) -> Result<()> {
    if context.spec.root.as_ref().is_some_and(|root| root.readonly) {
        // The rootfs came with flags that a user namespace cannot take off again.
        let locked = flags_of(context.rootfs);
        let flags = locked | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        let step = Mount::remount(c_path(context.slot.path())?, flags).why("root.readonly is true");
        let target = Target::new("/")?;
        let at = At { target, wanted: Wanted::Existing, slot: context.slot, step };
        steps.add("lab-03", at);
    }
    if no_pivot {
        steps.add(
            "lab-03",
            Mount::moved(c".", c"/").why("the initial ramfs cannot be pivoted away: cover it"),
        );
        steps.extend("lab-03", chroot(c"."));
    } else {
        steps.extend("lab-03", pivot(c"."));
    }
    if context.linux.rootfs_propagation.as_deref().is_some_and(|it| it.ends_with("shared")) {
        let why = "linux.rootfsPropagation asks for it, inside the container";
        let flags = MsFlags::MS_SHARED | MsFlags::MS_REC;
        steps.add("lab-03", Mount::propagation(c"/", flags, why));
    }
    Ok(())
}
