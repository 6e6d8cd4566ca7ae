//! A group: one directory in every tree that it needs, seen as one thing.
//!
//! On v1 `lab-7-busy` is /sys/fs/cgroup/cpu/lab-7-busy *and* /sys/fs/cgroup/memory/lab-7-busy and
//! so on; on v2 a single directory. A group outlives its maker: whoever made it removes it, with
//! [`Group::remove`].

mod apply;
mod extend;
mod freezer;
mod guardian;
mod handing_down;
mod membership;
mod removal;
mod temporary;
mod written;

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Explanation, Result};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode as FileMode,
    unistd::write,
};

use crate::{Absent, Controller, Controllers, Site, Version, Write, advice};

use membership::move_all;

pub use freezer::FreezeState;
pub use guardian::door;
pub use membership::Join;
pub use temporary::{Temporary, sweep};

/// The group below an inhabited delegated one, into which its processes move.
pub(crate) const SUPERVISOR: &str = "lab-supervisor";

const RETRIES: u32 = 10;

/// A group in all its trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The path below the site's places, as `lab-7-busy` or `mini-docker/3f2a`.
    pub name: PathBuf,
    pub(crate) parts: Vec<Part>,
}

/// A group in one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub version: Version,
    pub controllers: Controllers,
    /// The group's directory.
    pub dir: PathBuf,
    /// The directory that it was made below.
    pub base: PathBuf,
}

impl Group {
    /// Makes the group `name` in every tree that holds one of `needed`, and hands the controllers
    /// down to it where that takes a word. Groups on the way are made too. A group that is already
    /// there is taken over. Controllers that this machine lacks are left out: a *limit* that needs
    /// one fails in [`Group::apply`].
    ///
    /// # Errors
    /// `name` leads out of the place; EACCES, EROFS: not ours; EBUSY: a v2 group on the way has
    /// processes; EAGAIN: too many groups.
    pub fn create(site: &Site, name: impl AsRef<Path>, needed: &Controllers) -> Result<Self> {
        let group = Self::plan(site, name, needed)?;
        group.make(needed)?;
        Ok(group)
    }

    /// Makes a group that was planned with the same controllers.
    ///
    /// # Errors
    /// As [`Group::create`]; nothing is left then.
    pub fn make(&self, needed: &Controllers) -> Result<()> {
        for part in &self.parts {
            let mut made = part.create(needed);
            // Somebody else's last group in the same parent may have gone, and the parent with it.
            for _ in 0..RETRIES {
                if made.is_ok() || !part.lost_its_parent() {
                    break;
                }
                made = part.create(needed);
            }
            made.inspect_err(|_| self.remove_directories())?;
        }
        Ok(())
    }

    /// The same group on paper: nothing is made.
    ///
    /// # Errors
    /// `name` leads out of the place.
    pub fn plan(site: &Site, name: impl AsRef<Path>, needed: &Controllers) -> Result<Self> {
        let name = relative(name.as_ref())?;
        let mut parts: Vec<Part> = Vec::new();
        for (tree, base) in needed.iter().filter_map(|it| site.place_of(*it)) {
            let (base, dir) = (base.clone(), base.join(&name));
            let controllers = tree.controllers.clone();
            if parts.iter().all(|it| it.dir != dir) {
                parts.push(Part { version: tree.version, controllers, dir, base });
            }
        }
        Ok(Self { name, parts })
    }

    /// The group `name` where it exists; `None` if it does in no tree.
    ///
    /// A directory that cannot be looked at counts as there: taken for gone, it would be left
    /// behind.
    ///
    /// # Errors
    /// `name` leads out of the place.
    pub fn open(site: &Site, name: impl AsRef<Path>) -> Result<Option<Self>> {
        let mut group = Self::plan(site, name, &Controller::ALL.into())?;
        group.parts.retain(|it| it.dir.try_exists().unwrap_or(true));
        Ok((!group.parts.is_empty()).then_some(group))
    }

    /// The calls that [`Group::create`] makes, for a plan.
    pub fn explain(&self, needed: &Controllers) -> Vec<Explanation> {
        let mut calls = Vec::new();
        for part in &self.parts {
            if part.version == Version::V2 {
                let down = part.controllers.intersection(needed);
                let words: Vec<String> =
                    down.map(|it| format!("+{}", it.name(Version::V2))).collect();
                let write = Write {
                    controller: Controller::Freezer,
                    file: "cgroup.subtree_control".to_owned(),
                    value: words.join(" "),
                    absent: Absent::Fails,
                };
                calls.push(write.explain(&part.base));
            }
            let names: Vec<&str> =
                part.controllers.iter().map(|it| it.name(part.version)).collect();
            calls.push(Explanation::new(
                format!("mkdir(\"{}\", 0755)", part.dir.display()),
                format!(
                    "makes the group; the kernel fills it with the files of {}",
                    names.join(", ")
                ),
                "7 cgroups",
            ));
        }
        calls
    }

    /// The group's directories with the controllers bound to each.
    pub fn directories(&self) -> impl Iterator<Item = (&Path, Version, &Controllers)> {
        self.parts.iter().map(|it| (it.dir.as_path(), it.version, &it.controllers))
    }

    /// The directory that has `controller`'s files.
    pub fn dir_of(&self, controller: Controller) -> Option<&Path> {
        self.part_of(controller).map(|it| it.dir.as_path())
    }

    pub(crate) fn part_of(&self, controller: Controller) -> Option<&Part> {
        let bound = self.parts.iter().find(|it| it.controllers.contains(&controller));
        bound.or_else(|| self.v2().filter(|_| controller.is_core_of_v2()))
    }

    pub(crate) fn v2(&self) -> Option<&Part> {
        self.parts.iter().find(|it| it.version == Version::V2)
    }
}

impl Part {
    fn lost_its_parent(&self) -> bool {
        self.base.is_dir() && self.dir.parent().is_some_and(|it| it != self.base && !it.exists())
    }

    fn create(&self, needed: &Controllers) -> Result<()> {
        let below = self.dir.strip_prefix(&self.base).unwrap_or(Path::new(""));
        let mut parent = self.base.clone();
        // To the end: what a level further up hands down must not be taken back meanwhile.
        let mut locks = Vec::new();
        for name in below.components() {
            let dir = parent.join(name);
            if self.version == Version::V2 {
                locks.extend(handing_down::hand_down(&dir, needed, parent == self.base)?);
            }
            make(&dir)?;
            if self.controllers.contains(&Controller::Cpuset) && self.version == Version::V1 {
                inherit_cpuset(&parent, &dir)?;
            }
            parent = dir;
        }
        Ok(())
    }

    /// Takes back what was handed down to the group, on each level from the one above it to the
    /// place it was made in.
    fn hand_back(&self) {
        if self.version == Version::V2 {
            let above = self.dir.ancestors().skip(1);
            above.take_while(|it| it.starts_with(&self.base)).for_each(handing_down::hand_back);
        }
    }
}

/// Takes back what was handed down in the places themselves, where no group is left to remove.
fn hand_back(site: &Site) {
    let v2 = site.places.iter().filter(|(tree, _)| tree.version == Version::V2);
    v2.for_each(|(_, place)| handing_down::hand_back(place));
}

fn make(dir: &Path) -> Result<()> {
    match nix::unistd::mkdir(dir, FileMode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => {
            let call = format!("mkdir(\"{}\", 0755)", dir.display());
            Err(advice::failed("cannot make a control group", &call, dir, errno))
        }
    }
}

/// A new v1 cpuset has no CPU and no memory node, and nobody can join it: it starts as its parent.
fn inherit_cpuset(parent: &Path, dir: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let read = |dir: &Path| fs::read_to_string(dir.join(file)).unwrap_or_default();
        if read(dir).trim().is_empty() {
            put("cannot make a control group", &dir.join(file), read(parent).trim())?;
        }
    }
    Ok(())
}

fn relative(name: &Path) -> Result<PathBuf> {
    let inside = name.strip_prefix("/").unwrap_or(name);
    let plain = inside.components().all(|it| matches!(it, std::path::Component::Normal(_)));
    if !plain || inside.as_os_str().is_empty() {
        return Err(Error::new(format!("'{}' is not the name of a group", name.display()))
            .why("it is a path below the place where groups are made")
            .fix("write a name, or names with slashes between, without '..'"));
    }
    Ok(inside.to_owned())
}

/// Writes a file of a group, with the report for its being refused.
pub(crate) fn put(what: &str, file: &Path, value: &str) -> Result<()> {
    write_once(file, value).map_err(|errno| advice::refused(what, file, value, errno))
}

// ANCHOR: write_once
/// One write(2): the kernel parses each write by itself. Without O_CREAT and O_TRUNC, which
/// these files answer with EACCES rather than ENOENT when they are not there.
pub(crate) fn write_once(file: &Path, value: &str) -> Result<(), Errno> {
    let fd = open(file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, FileMode::empty())?;
    write(&fd, value.as_bytes()).map(drop)
}
// ANCHOR_END: write_once

/// The groups directly below `dir`, sorted.
pub(crate) fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_dir = |it: &fs::DirEntry| it.file_type().is_ok_and(|it| it.is_dir());
    let mut dirs: Vec<PathBuf> = entries.filter(is_dir).map(|it| it.path()).collect();
    dirs.sort();
    dirs
}
