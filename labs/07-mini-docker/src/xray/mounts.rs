//! Mounts: where each part of a container's files comes from.
//!
//! `/proc/PID/mountinfo` is the table of a mount namespace (man 5 proc_pid_mountinfo). A line with a
//! *root* other than `/` shows a part of a file system: a bind mount. Whoever has the same file
//! system mounted finds out which directory that is here.

use std::path::{Path, PathBuf};

use ground::{Result, Table};
use nix::unistd::Pid;
use overlay::Stack;
use rootfs::MountInfo;
use serde::Serialize;
use volumes::table::{Propagation, is_read_only};

use super::{
    layers::{self, Layer},
    machine::Container,
    seen::short,
};

/// What is mounted for a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mounts {
    /// The root, and what lies under it.
    pub root: Option<Root>,
    /// All mounts, in the order of the table.
    pub list: Vec<Mount>,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Root {
    /// The type of its file system.
    pub fstype: String,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// The layers of an overlay, topmost first.
    pub layers: Vec<Layer>,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where it is, seen from inside.
    pub point: PathBuf,
    /// The type of its file system.
    pub fstype: String,
    /// What it is.
    #[serde(flatten)]
    pub origin: Origin,
    /// Whether it cannot be written through this mount.
    pub read_only: bool,
    /// Its options.
    pub options: String,
    /// Whether mounts below it spread to others, or theirs to it.
    pub propagation: String,
}

/// Where the files of a mount come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// The root file system.
    Root,
    /// Made by the kernel: proc, sysfs, cgroup, devpts, mqueue.
    Kernel,
    /// Files in memory of its own.
    Memory,
    /// Something that hides what is below it.
    Hides,
    /// Part of a file system that is mounted below the same mount point already, to make it
    /// read-only.
    Part,
    /// A named volume.
    Volume {
        /// Its name.
        name: String,
        /// Who keeps it.
        engine: &'static str,
        /// The directory here.
        from: PathBuf,
    },
    /// A file that an engine writes for each container: /etc/hosts and its like.
    Engine {
        /// The file here.
        from: PathBuf,
    },
    /// A file or directory of this machine.
    Bind {
        /// Which.
        from: PathBuf,
    },
    /// Something that is not mounted where we are.
    Elsewhere {
        /// What the table calls it.
        source: String,
    },
}

/// Looks at the mounts of `pid`.
///
/// # Errors
/// EACCES when we may not look at the process (man 2 ptrace).
pub fn look(pid: Pid, container: Option<&Container>) -> Result<Mounts> {
    let theirs = MountInfo::of(pid).map_err(|error| ground::Error {
        fix: Some("look at a container of your own, or as root".to_owned()),
        ..error
    })?;
    let ours = MountInfo::of("self")?;
    let stacks = Stack::all_of(pid)?;
    let at_root = |stack: &&Stack| stack.mount_point == Path::new("/");
    let root = theirs.iter().rev().find(|it| it.point == Path::new("/")).map(|it| Root {
        fstype: it.fstype.clone(),
        read_only: is_read_only(it),
        layers: stacks
            .iter()
            .rev()
            .find(at_root)
            .map(|it| layers::of(it, container))
            .unwrap_or_default(),
    });
    let list = theirs.iter().map(|it| mount(it, &ours, container)).collect();
    Ok(Mounts { root, list })
}

fn mount(it: &MountInfo, ours: &[MountInfo], container: Option<&Container>) -> Mount {
    Mount {
        point: it.point.clone(),
        fstype: it.fstype.clone(),
        origin: origin(it, ours, container),
        read_only: is_read_only(it),
        options: it.options.clone(),
        propagation: Propagation::of(it).to_string(),
    }
}

/// File systems that have no files anywhere else.
const KERNEL: [&str; 9] =
    ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "nsfs", "securityfs", "bpf"];

fn origin(it: &MountInfo, ours: &[MountInfo], container: Option<&Container>) -> Origin {
    let whole = it.root == Path::new("/");
    match it.fstype.as_str() {
        _ if it.point == Path::new("/") => Origin::Root,
        "proc" | "sysfs" if !whole => Origin::Part,
        fstype if KERNEL.contains(&fstype) => Origin::Kernel,
        _ if hides(it) => Origin::Hides,
        _ => match here(it, ours) {
            Some(from) => named(from, container),
            None if it.fstype == "tmpfs" => Origin::Memory,
            None => Origin::Elsewhere { source: format!("{} {}", it.source, it.root.display()) },
        },
    }
}

/// An empty directory, or /dev/null, on something that the kernel shows.
fn hides(it: &MountInfo) -> bool {
    let point = it.point.as_path();
    let shown = point.starts_with("/proc") || point.starts_with("/sys");
    let empty = it.fstype == "tmpfs" && is_read_only(it) && !point.starts_with("/sys/fs/cgroup");
    shown && (empty || it.root.ends_with("null"))
}

/// The same directory where we are: a mount of ours of the same file system that shows it.
fn here(it: &MountInfo, ours: &[MountInfo]) -> Option<PathBuf> {
    let same = ours.iter().filter(|own| own.device == it.device);
    let paths = same.filter_map(|own| {
        let below = it.root.strip_prefix(&own.root).ok()?;
        Some(own.point.join(below).components().collect::<PathBuf>())
    });
    paths.min_by_key(|path| path.components().count())
}

/// Whose a directory of this machine is.
fn named(from: PathBuf, container: Option<&Container>) -> Origin {
    let text = from.to_string_lossy().into_owned();
    // Every engine keeps volumes as STORE/volumes/NAME/_data.
    let volume = text.split_once("/volumes/").and_then(|(_, rest)| rest.split_once('/'));
    if let Some((name, _)) = volume.filter(|(_, rest)| rest.split('/').next() == Some("_data")) {
        let engine = container.map_or("unknown", |it| it.engine);
        return Origin::Volume { name: name.to_owned(), engine, from };
    }
    match container.is_some_and(|it| text.contains(&it.id)) {
        true => Origin::Engine { from },
        false => Origin::Bind { from },
    }
}

impl Origin {
    fn in_words(&self) -> String {
        match self {
            Self::Root => "the root file system, see above".to_owned(),
            Self::Kernel => "made by the kernel".to_owned(),
            Self::Memory => "memory of its own".to_owned(),
            Self::Hides => "hides what the kernel shows there".to_owned(),
            Self::Part => "the kernel's again, with other options".to_owned(),
            Self::Volume { name, engine: "unknown", .. } => {
                format!("volume {name} of an engine that is not known")
            }
            Self::Volume { name, engine, .. } => format!("volume {name} of {engine}"),
            Self::Engine { from } => format!("written by the engine: {}", short(from.display())),
            Self::Bind { from } => format!("{} of this machine", short(from.display())),
            Self::Elsewhere { source } => format!("not mounted where we are: {source}"),
        }
    }
}

impl Mounts {
    /// The root, in words.
    pub(super) fn root_told(&self) -> (Vec<Table>, Vec<String>) {
        let Some(root) = &self.root else {
            return (
                Vec::new(),
                vec!["its root is not a mount: it may have been made by chroot".to_owned()],
            );
        };
        let access = if root.read_only { "read-only" } else { "writable" };
        if root.layers.is_empty() {
            return (Vec::new(), vec![format!("a {access} {}, of one piece", root.fstype)]);
        }
        let mut table = Table::new(["layer", "directory", "is"]);
        for it in &root.layers {
            table.push([it.role.to_owned(), short(it.dir.display()), it.origin.clone()]);
        }
        let lower = root.layers.iter().filter(|it| it.role == "lower").count();
        let upper = root.layers.len() - lower;
        let words = format!(
            "a {access} overlay of {lower} lower and {upper} upper directories, topmost first"
        );
        (vec![table], vec![words])
    }

    pub(super) fn told(&self) -> (Vec<Table>, Vec<String>) {
        let mut table = Table::new(["mounted on", "type", "access", "comes from"]);
        for it in &self.list {
            table.push([
                it.point.display().to_string(),
                it.fstype.clone(),
                if it.read_only { "ro" } else { "rw" }.to_owned(),
                it.origin.in_words(),
            ]);
        }
        let open = self.list.iter().filter(|it| it.propagation != "private").count();
        let words = match open {
            0 => {
                "all are private: no mount made in there appears here, and none made here in there"
                    .to_owned()
            }
            _ => format!(
                "{open} of {} are not private: mounts spread between here and there",
                self.list.len()
            ),
        };
        (vec![table], vec![words])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(line: [&str; 4]) -> MountInfo {
        let [device, root, point, fstype] = line;
        MountInfo {
            id: 2,
            parent: 1,
            device: device.to_owned(),
            root: root.into(),
            point: point.into(),
            options: "rw".to_owned(),
            propagation: Vec::new(),
            fstype: fstype.to_owned(),
            source: "none".to_owned(),
        }
    }

    #[track_caller]
    fn check(line: [&str; 4], expected: &str) {
        let ours = [
            mounted(["8:1", "/", "/", "ext4"]),
            mounted(["8:1", "/home", "/mnt/home", "ext4"]),
            mounted(["0:5", "/", "/dev", "devtmpfs"]),
        ];
        assert_eq!(origin(&mounted(line), &ours, None).in_words(), expected);
    }

    #[test]
    fn a_mount_is_where_the_same_files_are_here() {
        check(["8:1", "/srv/x", "/x", "ext4"], "/srv/x of this machine");
        check(["8:1", "/home/ada", "/x", "ext4"], "/home/ada of this machine");
        check(["8:9", "/a", "/x", "ext4"], "not mounted where we are: none /a");
        check(
            ["8:1", "/d/volumes/db/_data", "/x", "ext4"],
            "volume db of an engine that is not known",
        );
        check(["8:1", "/d/volumes/db/other", "/x", "ext4"], "/d/volumes/db/other of this machine");
    }

    #[test]
    fn the_kernels_are_told_from_what_hides_them() {
        check(["0:9", "/", "/proc", "proc"], "made by the kernel");
        check(["0:9", "/sys", "/proc/sys", "proc"], "the kernel's again, with other options");
        check(["0:5", "/null", "/proc/kcore", "devtmpfs"], "hides what the kernel shows there");
        check(["0:30", "/", "/tmp", "tmpfs"], "memory of its own");
    }
}
