//! Hierarchies: where each controller lives on this machine.
//!
//! v1 mounts a tree per controller (or a few together, as `cpu,cpuacct`); v2 is one tree for all.
//! Both can be there at once, but a controller is bound to one of them: that is *hybrid*. Two
//! texts tell everything: /proc/self/mountinfo has the mounts, /proc/self/cgroup our own group in
//! each (man 5 proc_pid_mountinfo, man 7 cgroups "/proc files").

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use crate::{Controller, Controllers};
use ground::{Error, Result};

/// The version of the interface that a hierarchy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// One tree per controller.
    V1,
    /// One tree for all.
    V2,
}

/// What the machine as a whole has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only v1 trees.
    V1,
    /// v1 trees hold controllers, and a v2 tree is mounted beside them.
    Hybrid,
    /// The v2 tree holds every controller.
    V2,
}

/// One mounted tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The version it speaks.
    pub version: Version,
    /// The controllers bound to it. Empty for v1's `name=systemd`, which only names processes.
    pub controllers: Controllers,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Our own group's directory. `None` when it lies outside the mount, as in a cgroup namespace
    /// whose mount was made before it: its root then reads `/..`.
    pub own: Option<PathBuf>,
}

/// All mounted trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    /// In the order of the mount table.
    pub mounted: Vec<Hierarchy>,
}

impl Hierarchies {
    /// The trees that this process sees.
    ///
    /// # Errors
    /// /proc is not mounted or not ours to read, or no cgroup file system is mounted at all.
    pub fn of_this_process() -> Result<Self> {
        Self::of_membership(&read("/proc/self/cgroup")?)
    }

    /// The trees that this process sees, and in each the group that another one was in when its
    /// /proc/PID/cgroup read `membership`.
    ///
    /// # Errors
    /// As [`Hierarchies::of_this_process`].
    pub fn of_membership(membership: &str) -> Result<Self> {
        let here = Self::parse(&read("/proc/self/mountinfo")?, membership, |v2_root| {
            fs::read_to_string(v2_root.join("cgroup.controllers")).unwrap_or_default()
        });
        if here.mounted.is_empty() {
            return Err(Error::new("cannot find a cgroup file system")
                .why("/proc/self/mountinfo lists no mount of type cgroup or cgroup2")
                .see("7 cgroups")
                .fix("mount -t cgroup2 none /sys/fs/cgroup"));
        }
        Ok(here)
    }

    /// The same from the texts of /proc/self/mountinfo and /proc/self/cgroup;
    /// `v2_controllers` gives the text of `cgroup.controllers` at a v2 mount point.
    pub fn parse(mountinfo: &str, cgroup: &str, v2_controllers: impl Fn(&Path) -> String) -> Self {
        let groups: Vec<_> = cgroup.lines().filter_map(own_group).collect();
        let mut mounted: Vec<Hierarchy> = Vec::new();
        for mount in mountinfo.lines().filter_map(Mount::parse) {
            let found = hierarchy(&mount, &groups, &v2_controllers);
            let same =
                |it: &Hierarchy| it.version == found.version && it.controllers == found.controllers;
            match mounted.iter_mut().find(|it| same(it)) {
                // Mounted twice: the later mount is the one on top, unless it shows less.
                Some(before) if found.own.is_some() || before.own.is_none() => *before = found,
                Some(_) => {}
                None => mounted.push(found),
            }
        }
        Self { mounted }
    }

    /// v1, hybrid or v2: a v2 tree beside v1 controllers is hybrid, whatever it holds itself.
    pub fn mode(&self) -> Mode {
        let v2 = self.mounted.iter().any(|it| it.version == Version::V2);
        let v1 =
            self.mounted.iter().any(|it| it.version == Version::V1 && !it.controllers.is_empty());
        match (v1, v2) {
            (_, false) => Mode::V1,
            (true, true) => Mode::Hybrid,
            (false, true) => Mode::V2,
        }
    }

    /// The tree that `controller` is bound to. What v2 has in its core, v1 is asked for first: on
    /// a hybrid machine the processes' limits are there.
    pub fn of(&self, controller: Controller) -> Option<&Hierarchy> {
        let bound = self.mounted.iter().find(|it| it.controllers.contains(&controller));
        bound.or_else(|| self.v2().filter(|_| controller.is_core_of_v2()))
    }

    /// The v2 tree, if one is mounted.
    pub fn v2(&self) -> Option<&Hierarchy> {
        self.mounted.iter().find(|it| it.version == Version::V2)
    }
}

/// A mount of a cgroup file system, as a line of the table says it.
struct Mount<'a> {
    version: Version,
    /// The directory of the tree that it shows.
    root: String,
    point: PathBuf,
    /// Of the file system: on v1 they name the controllers.
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 0:30 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu`; `None` for other
    /// file systems, and so for most lines.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = file_system.splitn(3, ' ');
        let version = match fields.next()? {
            "cgroup" => Version::V1,
            "cgroup2" => Version::V2,
            _ => return None,
        };
        let options = fields.nth(1)?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        Some(Self { version, root, point: point.into(), options })
    }
}

/// Blanks and backslashes stand as `\040` in the table.
fn unescaped(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (octal, rest) = part.split_at_checked(3).unwrap_or((part, ""));
        text.extend(u8::from_str_radix(octal, 8).map(char::from));
        text += rest;
    }
    text
}

fn hierarchy(
    mount: &Mount<'_>,
    groups: &[(&str, &str)],
    v2_controllers: impl Fn(&Path) -> String,
) -> Hierarchy {
    let group_of = |wanted: &str| {
        let named = |(names, _): &&(&str, &str)| names.split(',').any(|it| it == wanted);
        groups.iter().find(named).map(|(_, group)| *group)
    };
    let (controllers, group) = match mount.version {
        // The empty name is v2's.
        Version::V2 => (named(v2_controllers(&mount.point).split_whitespace()), group_of("")),
        Version::V1 => {
            let options = || mount.options.split(',');
            (named(options()), options().find_map(group_of))
        }
    };
    let own = group.and_then(|group| below(&mount.point, &mount.root, group));
    Hierarchy { version: mount.version, controllers, mount_point: mount.point.clone(), own }
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> Controllers {
    names.filter_map(Controller::from_name).collect()
}

/// A line of /proc/PID/cgroup: the names that a hierarchy is bound to, and our group in it. The group
/// may itself hold colons: its name is any file name.
fn own_group(line: &str) -> Option<(&str, &str)> {
    line.split_once(':')?.1.split_once(':')
}

/// The directory of `group` under a mount that shows the tree from `root` down. Both are told
/// relative to our cgroup namespace, so that a mount made outside it has the root `/..`.
fn below(mount_point: &Path, root: &str, group: &str) -> Option<PathBuf> {
    let relative = Path::new(group).strip_prefix(root).ok()?;
    let goes_up = relative.components().any(|it| it == std::path::Component::ParentDir);
    (!goes_up).then(|| mount_point.join(relative).components().collect())
}

fn read(path: &str) -> Result<String> {
    // Of its length /proc says 0, and std would begin with 32 bytes; the kernel makes a table of
    // mounts anew for each piece that is asked for.
    let mut text = String::with_capacity(4096);
    let whole = File::open(path).and_then(|file| file.take(u64::MAX).read_to_string(&mut text));
    whole.map(|_| text).map_err(|error| {
        Error::new("cannot see which cgroups this machine has")
            .io(format_args!("read {path}"), &error)
            .see("7 cgroups")
            .fix("mount /proc: mount -t proc proc /proc")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_of_a_path_are_written_as_numbers() {
        assert_eq!(unescaped(r"/a\040b\134c"), r"/a b\c");
        assert_eq!(unescaped("/sys/fs/cgroup"), "/sys/fs/cgroup");
    }
}
