//! The root: from "a directory on the host" to "the only root that there is".
//!
//! Source: runtime specification, config.md, "Root", config-linux.md, "Rootfs Mount Propagation";
//! pivot_root(2).

use ground::{Error, Result};
use rootfs::{
    Change, ChangeLater, Mount, MountInfo, MsFlags, NewRoot, Reach, Umask, c_path, chroot, pivot,
};
use volumes::{DirectoryInside, Inside};

use super::{Context, Steps};

/// Cuts the ties of the mount table and makes the rootfs a mount of its own; the working directory
/// is its root from here on. What comes back makes it read-only, when all is in its place.
///
/// # Errors
/// A propagation that has no meaning.
pub(super) fn enter(context: &Context<'_>, steps: &mut Steps) -> Result<Option<ChangeLater>> {
    let propagation = propagation(context.linux.rootfs_propagation.as_deref())?;
    let ties = match propagation.kind {
        MsFlags::MS_UNBINDABLE => MsFlags::MS_PRIVATE,
        kind => kind,
    };
    let why = "a copied mount table still shares its events: without this the host sees our mounts";
    steps.add("lab-03", Mount::propagation(c"/", ties | MsFlags::MS_REC, why));
    if ties == MsFlags::MS_SHARED {
        private_parent(context, steps)?;
    }
    let spread = if ties == MsFlags::MS_SLAVE { ties } else { MsFlags::MS_PRIVATE };
    let root = NewRoot::new(c_path(context.rootfs)?, spread);
    let read_only = context.spec.root.as_ref().is_some_and(|root| root.readonly).then(|| {
        let read_only = Change::set(libc::MOUNT_ATTR_RDONLY, Reach::One);
        root.later(read_only, "root.readonly is true")
    });
    steps.add("lab-03", root);
    steps.add("lab-03", Umask(0));
    Ok(read_only)
}

/// Where mounts go on telling the host, the one that the rootfs is in must not: our mount of the
/// rootfs would appear there, and pivot_root(2) refuses it.
fn private_parent(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    let mounts = MountInfo::of("self")?;
    let around = mounts.iter().filter(|mount| context.rootfs.starts_with(&mount.point));
    let Some(parent) = around.max_by_key(|mount| mount.point.as_os_str().len()) else {
        return Ok(());
    };
    let why = "the mount that the rootfs is in must not tell the host of what is mounted on it";
    steps.add("lab-03", Mount::propagation(c_path(&parent.point)?, MsFlags::MS_PRIVATE, why));
    Ok(())
}

/// How the mounts of the container's root spread.
struct Propagation {
    kind: MsFlags,
    reach: Reach,
}

/// Slave by default: unmounting on the host still reaches the container, so that it holds no
/// device busy; nothing goes the other way.
fn propagation(wanted: Option<&str>) -> Result<Propagation> {
    let wanted = wanted.unwrap_or_default();
    let kind = match wanted {
        "" | "slave" | "rslave" => MsFlags::MS_SLAVE,
        "private" | "rprivate" => MsFlags::MS_PRIVATE,
        "shared" | "rshared" => MsFlags::MS_SHARED,
        "unbindable" | "runbindable" => MsFlags::MS_UNBINDABLE,
        other => {
            return Err(Error::new("cannot set the propagation of the root")
                .why(format!("config.json, linux.rootfsPropagation is {other:?}"))
                .see("7 mount_namespaces")
                .fix("shared, slave, private and unbindable are accepted"));
        }
    };
    let reach = if wanted.starts_with('r') { Reach::All } else { Reach::One };
    Ok(Propagation { kind, reach })
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
        let why = "process.cwd is made where the image does not have it";
        steps.add("lab-06", DirectoryInside::new(Inside::here(cwd)?, why));
    }
    Ok(())
}

/// What is read-only from here on; then ordinary permissions again, for the hooks.
pub(super) fn finish(late: impl IntoIterator<Item = ChangeLater>, steps: &mut Steps) {
    for change in late {
        steps.add("lab-03", change);
    }
    steps.add("lab-03", Umask(0o022));
}

/// The pivot.
///
/// # Errors
/// A propagation that cannot be had without it.
pub(super) fn leave_the_old_one(
    context: &Context<'_>,
    no_pivot: bool,
    steps: &mut Steps,
) -> Result<()> {
    let Propagation { kind, reach } = propagation(context.linux.rootfs_propagation.as_deref())?;
    if no_pivot {
        if kind == MsFlags::MS_PRIVATE {
            return Err(Error::new("rootfsPropagation of [r]private is not safe without pivot_root")
                .why("--no-pivot leaves the old root mounted, and config.json has linux.rootfsPropagation private")
                .see("7 mount_namespaces")
                .fix("leave one of them out"));
        }
        hide_what_a_chroot_leaves(context, steps)?;
        steps.add(
            "lab-03",
            Mount::moved(c".", c"/").why("the initial ramfs cannot be pivoted away: cover it"),
        );
        steps.extend("lab-03", chroot(c"."));
    } else {
        let mut calls = pivot(c".");
        if kind == MsFlags::MS_SHARED {
            let why = "what is unmounted in a shared tree is unmounted on the host as well";
            let slave = Mount::propagation(c".", MsFlags::MS_SLAVE | MsFlags::MS_REC, why);
            // After the pivot "." is the old root; before it is unmounted.
            calls.insert(2, Box::new(slave));
        }
        steps.extend("lab-03", calls);
    }
    if matches!(kind, MsFlags::MS_SHARED | MsFlags::MS_UNBINDABLE) {
        let why = "linux.rootfsPropagation asks for it, inside the container";
        let whole = if reach == Reach::All { MsFlags::MS_REC } else { MsFlags::empty() };
        steps.add("lab-03", Mount::propagation(c"/", kind | whole, why));
    }
    Ok(())
}

/// Without a pivot the host's whole /proc and /sys stay in the mount table, and whoever mounts one
/// in a user namespace inside is let through because of them.
fn hide_what_a_chroot_leaves(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    for mount in MountInfo::of("self")? {
        let whole = mount.root == std::path::Path::new("/");
        let shows_the_host = matches!(mount.fstype.as_str(), "proc" | "sysfs");
        if whole && shows_the_host && !mount.point.starts_with(context.rootfs) {
            steps.add("lab-03", Hide::new(c_path(&mount.point)?));
        }
    }
    Ok(())
}

/// Takes a mount away, or covers it where a user namespace may not.
#[derive(Debug)]
struct Hide {
    take: rootfs::Umount,
    cover: Mount,
}

impl Hide {
    fn new(point: std::ffi::CString) -> Self {
        let why = "a chroot leaves it mounted, and a user namespace inside could mount its own";
        Self {
            take: rootfs::Umount::detach(point.clone()).why(why),
            cover: Mount::tmpfs(point, c""),
        }
    }
}

impl ground::Step for Hide {
    fn run(&self) -> std::result::Result<(), ground::Errno> {
        match self.take.run() {
            // One above it was taken already.
            Err(ground::Errno::ENOENT) => Ok(()),
            Err(ground::Errno::EINVAL | ground::Errno::EPERM) => self.cover.run(),
            taken => taken,
        }
    }

    fn explain(&self) -> ground::Explanation {
        self.take.explain()
    }

    fn fix(&self, errno: ground::Errno) -> Option<&'static str> {
        self.cover.fix(errno)
    }
}
