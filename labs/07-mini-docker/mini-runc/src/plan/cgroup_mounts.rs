//! The cgroup mount: the container's view of its own group at /sys/fs/cgroup.
//!
//! v2 is one mount, seen from the root of the cgroup namespace. v1 is a tmpfs with a directory per
//! hierarchy: a fresh mount of each where the container has a cgroup namespace, else the
//! container's own group, bound. Where we have no group (an ordinary user without delegation) the
//! host's tree is shown, read-only.
//!
//! Source: runtime specification, config.md, "Mounts"; runc's mountCgroupV1, mountCgroupV2.

use std::path::Path;

use ground::Result;
use oci::runtime::{self, NamespaceKind};
use rootfs::{Change, ChangeLater, FileSystem, Reach, c_path};
use volumes::{Inside, LinkInside, MountInside, Wanted, What};

use super::{Context, Steps, mount_options::Options};
use crate::cgroup::Tree;

const WHY: &str = "control groups, seen from the root of the cgroup namespace";

/// What comes back makes the tmpfs of v1 read-only, when all is in its place.
///
/// # Errors
/// A path with a NUL byte.
pub(super) fn steps(
    context: &Context<'_>,
    mount: &runtime::Mount,
    steps: &mut Steps,
) -> Result<Option<ChangeLater>> {
    let options = Options::parse(&mount.options);
    let view = View { context, at: &mount.destination, options: &options };
    let Some(place) = context.cgroup else {
        let read_only = options.top.set | libc::MOUNT_ATTR_RDONLY;
        let top = Change { set: read_only, reach: Reach::One, ..Change::default() };
        let shown = view.shown(Path::new("/sys/fs/cgroup"), view.at)?.changed(top);
        let why = "there is no group of its own: the machine's tree, read-only";
        steps.add("lab-02", shown.why(why));
        return Ok(None);
    };
    match place.trees() {
        [Tree { names: None, directory, .. }] => {
            // A user namespace mounts cgroup2 only together with a cgroup namespace of its own.
            let fresh = view.own_namespace() || !context.in_user_namespace();
            let made = if fresh {
                view.fresh("cgroup2", view.at, None)?
            } else {
                view.own(directory, view.at)?
            };
            steps.add("lab-02", made);
            Ok(None)
        }
        trees => view.v1(trees, steps),
    }
}

struct View<'a> {
    context: &'a Context<'a>,
    at: &'a str,
    options: &'a Options,
}

impl View<'_> {
    fn own_namespace(&self) -> bool {
        self.context.makes(NamespaceKind::Cgroup)
    }

    fn v1(&self, trees: &[Tree], steps: &mut Steps) -> Result<Option<ChangeLater>> {
        let writable = self.options.top.set & !libc::MOUNT_ATTR_RDONLY;
        let tmpfs = FileSystem::new(c"tmpfs")
            .parameter(c"source", Some(c"tmpfs".to_owned()))
            .parameter(c"mode", Some(c"755".to_owned()))
            .attributes(writable);
        let tmpfs = self.made(What::FileSystem(tmpfs), self.at)?.why("a directory a hierarchy");
        let late = self.options.read_only().then(|| {
            let read_only = Change::set(libc::MOUNT_ATTR_RDONLY, Reach::One);
            tmpfs.later(read_only, "every hierarchy is in its place")
        });
        steps.add("lab-02", tmpfs);
        for tree in trees {
            let below = format!("{}/{}", self.at, tree.name());
            let made = match &tree.names {
                Some(names) if self.own_namespace() => self.fresh("cgroup", &below, Some(names))?,
                None if self.own_namespace() => self.fresh("cgroup2", &below, None)?,
                _ => self.own(&tree.directory, &below)?,
            };
            steps.add("lab-02", made);
            // `cpu` and `cpuacct` are names for the mount `cpu,cpuacct`.
            for alias in tree.name().split(',').filter(|alias| *alias != tree.name()) {
                let link = format!("{}/{alias}", self.at);
                let why = "each controller by its own name";
                steps.add("lab-02", LinkInside::here(&link, tree.name(), why)?);
            }
        }
        Ok(late)
    }

    /// A mount of the hierarchy; `names` are the controllers of a v1 one.
    fn fresh(&self, kind: &str, at: &str, names: Option<&str>) -> Result<MountInside> {
        let mut made = FileSystem::new(c_path(kind)?)
            .parameter(c"source", Some(c_path(kind)?))
            .attributes(self.options.top.set);
        for name in names.iter().flat_map(|names| names.split(',')) {
            made = match name.split_once('=') {
                Some((key, value)) => made.parameter(c_path(key)?, Some(c_path(value)?)),
                None => made.parameter(c_path(name)?, None),
            };
        }
        self.made(What::FileSystem(made), at)
    }

    fn own(&self, directory: &Path, at: &str) -> Result<MountInside> {
        Ok(self.shown(directory, at)?.changed(self.options.top))
    }

    fn shown(&self, directory: &Path, at: &str) -> Result<MountInside> {
        let why = "the container's own group, without those above it";
        Ok(self.made(What::Bind(c_path(directory)?, Reach::All), at)?.why(why))
    }

    fn made(&self, what: What, at: &str) -> Result<MountInside> {
        let made = MountInside::new(what, Inside::here(at)?, Wanted::Directory).why(WHY);
        Ok(self.options.propagation.iter().fold(made, |made, change| made.then(*change)))
    }
}
