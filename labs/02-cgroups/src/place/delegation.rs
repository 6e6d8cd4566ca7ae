//! Delegation: the directories in which this user may make groups.
//!
//! Root makes them at the top of each tree. An ordinary user can on v2 only, below a group that
//! was *delegated*: directory, `cgroup.procs` and `cgroup.subtree_control` belong to the user. And
//! a process may only be moved between two groups by who may write to the `cgroup.procs` of their
//! nearest common ancestor, so that the place must lie above our own group: from outside, nobody
//! gets in (admin-guide/cgroup-v2.rst, "Delegation Containment").

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Result};
use nix::unistd::{AccessFlags, access, geteuid};

use crate::{Controller, Controllers, Hierarchies, Hierarchy, Mode, Version};

/// Where groups can be made: one directory in each tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The machine's trees.
    pub hierarchies: Hierarchies,
    /// For each usable tree the directory below which groups are made.
    pub places: Vec<(Hierarchy, PathBuf)>,
}

/// How a v2 directory came to be ours, which decides what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delegation {
    /// The root of the tree: the only group that may have processes and hand controllers down.
    Root(PathBuf),
    /// A group without processes of its own.
    Empty(PathBuf),
    /// Our own group, whose processes must move one level down before it hands controllers down.
    Inhabited(PathBuf),
}

impl Delegation {
    /// The directory.
    pub fn dir(&self) -> &Path {
        let (Self::Root(dir) | Self::Empty(dir) | Self::Inhabited(dir)) = self;
        dir
    }

    /// The place in the tree mounted at `mount_point`, from what is known of `chain`: our own group
    /// first, then every one above it. The root if we may; else the nearest without processes;
    /// else our own.
    pub fn choose(chain: &[Candidate]) -> Option<Self> {
        let writable = || chain.iter().take_while(|it| it.writable);
        let root = writable().find(|it| it.is_root).map(|it| Self::Root(it.dir.clone()));
        let empty = || {
            let empty = writable().find(|it| !it.inhabited);
            empty.map(|it| Self::Empty(it.dir.clone()))
        };
        let own = || writable().next().map(|it| Self::Inhabited(it.dir.clone()));
        root.or_else(empty).or_else(own)
    }
}

/// A v2 group between our own and the top of the mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its directory.
    pub dir: PathBuf,
    /// Whether it is the root of the tree.
    pub is_root: bool,
    /// Whether the directory and the two files that delegation hands over are ours to write.
    pub writable: bool,
    /// Whether processes are in it (not below it).
    pub inhabited: bool,
}

impl Candidate {
    fn at(dir: &Path) -> Self {
        let ours = ["", "cgroup.procs", "cgroup.subtree_control"];
        let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        Self {
            dir: dir.to_owned(),
            // The real root is the one group without a type (cgroup-v2.rst, "cgroup.type").
            is_root: !dir.join("cgroup.type").exists(),
            writable: ours.iter().all(|it| access(&dir.join(it), AccessFlags::W_OK).is_ok()),
            inhabited: !procs.trim().is_empty(),
        }
    }
}

impl Site {
    /// The places of this process's user.
    ///
    /// # Errors
    /// None is ours: v1 and not root, no delegated group, or a read-only mount. The fix has the
    /// command that helps.
    pub fn find() -> Result<Self> {
        let hierarchies = Hierarchies::of_this_process()?;
        let mut places = Vec::new();
        for tree in &hierarchies.mounted {
            let used = !tree.controllers.is_empty() || hierarchies.mode() == Mode::V2;
            let Some(place) = used.then(|| place(tree)).flatten() else { continue };
            places.push((offered(tree, &place), place));
        }
        if places.is_empty() {
            return Err(Self::nowhere(&hierarchies));
        }
        Ok(Self { hierarchies, places })
    }

    /// The places below one group, which has the same `path` in every tree: where another manager of
    /// groups, as systemd's of a user, makes its own. Trees in which it has none are left out.
    ///
    /// # Errors
    /// It may make groups nowhere.
    pub fn below(path: &Path) -> Result<Self> {
        let hierarchies = Hierarchies::of_this_process()?;
        let mut places = Vec::new();
        for tree in &hierarchies.mounted {
            let used = !tree.controllers.is_empty() || hierarchies.mode() == Mode::V2;
            let place = tree.mount_point.join(path);
            if used && access(&place, AccessFlags::W_OK).is_ok() {
                places.push((offered(tree, &place), place));
            }
        }
        if places.is_empty() {
            return Err(Self::nowhere(&hierarchies));
        }
        Ok(Self { hierarchies, places })
    }

    /// The places that root would have, for a plan that needs no privilege.
    pub fn on_paper(hierarchies: Hierarchies) -> Self {
        let v2 = hierarchies.mode() == Mode::V2;
        let used = hierarchies.mounted.iter().filter(|it| v2 || !it.controllers.is_empty());
        let places = used.map(|it| (it.clone(), it.mount_point.clone())).collect();
        Self { hierarchies, places }
    }

    /// The place for `controller`.
    pub fn place_of(&self, controller: Controller) -> Option<&(Hierarchy, PathBuf)> {
        let bound = self.places.iter().find(|(it, _)| it.controllers.contains(&controller));
        bound.or_else(|| {
            let v2 = self.places.iter().find(|(it, _)| it.version == Version::V2);
            v2.filter(|_| controller.is_core_of_v2())
        })
    }

    /// Whether every one of `controllers` can be had here. What a machine with v2 alone cannot have
    /// at all counts as had: its limits are [`crate::Limits::ignored`].
    ///
    /// # Errors
    /// The first that cannot.
    pub fn require(&self, controllers: &Controllers) -> Result<()> {
        let v2_alone = self.hierarchies.mode() == Mode::V2;
        let missing =
            |it: &&Controller| self.place_of(**it).is_none() && !(v2_alone && it.is_gone_in_v2());
        match controllers.iter().find(missing) {
            None => Ok(()),
            Some(controller) => Err(absent(*controller)),
        }
    }

    fn nowhere(hierarchies: &Hierarchies) -> Error {
        let top = &hierarchies.mounted.first().map(|it| it.mount_point.clone()).unwrap_or_default();
        let read_only = access(top, AccessFlags::W_OK) == Err(Errno::EROFS);
        let situation = match (hierarchies.mode(), read_only, geteuid().is_root()) {
            (_, true, _) => Refusal::ReadOnly,
            (_, _, true) => Refusal::RootWithoutRights,
            (Mode::V2, _, false) if user_bus().exists() => Refusal::NotDelegated,
            (Mode::V2, _, false) => Refusal::NoUserSession,
            (Mode::V1 | Mode::Hybrid, _, false) => Refusal::OrdinaryUserOnV1,
        };
        situation.error(top)
    }
}

/// The tree with only those controllers that its v2 `place` was handed: often fewer than it has.
fn offered(tree: &Hierarchy, place: &Path) -> Hierarchy {
    let mut tree = tree.clone();
    if tree.version == Version::V2 && place != tree.mount_point {
        let words = fs::read_to_string(place.join("cgroup.controllers")).unwrap_or_default();
        tree.controllers
            .retain(|it| words.split_whitespace().any(|word| word == it.name(Version::V2)));
    }
    tree
}

fn place(tree: &Hierarchy) -> Option<PathBuf> {
    let top = &tree.mount_point;
    if tree.version == Version::V1 {
        return access(top, AccessFlags::W_OK).is_ok().then(|| top.clone());
    }
    let own = tree.own.as_deref().unwrap_or(top);
    let chain: Vec<Candidate> =
        own.ancestors().take_while(|it| it.starts_with(top)).map(Candidate::at).collect();
    Delegation::choose(&chain).map(|it| it.dir().to_owned())
}

/// Where `systemctl --user` finds its manager (man 8 pam_systemd, "Environment").
fn user_bus() -> PathBuf {
    Path::new("/run/user").join(geteuid().to_string()).join("bus")
}

/// The report for a controller that is not at hand.
pub(crate) fn absent(controller: Controller) -> Error {
    let name = controller.name(Version::V2);
    Error::new(format!("cannot limit with the {name} controller"))
        .why(format!("no {name} controller is at hand in the place where we may make groups"))
        .see("7 cgroups")
        .fix(
            "/proc/cgroups lists what the kernel has; on v2 the groups above must list it in \
             cgroup.subtree_control, on v1 its tree must be mounted",
        )
}

/// Why no group can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The mount is read-only, as in a container.
    ReadOnly,
    /// Root, but in a user namespace or without the capability.
    RootWithoutRights,
    /// v2, not root, and a systemd user manager that could delegate.
    NotDelegated,
    /// v2, not root, and nobody to ask.
    NoUserSession,
    /// v1, not root.
    OrdinaryUserOnV1,
}

impl Refusal {
    /// The report; `top` is the mount point.
    pub fn error(self, top: &Path) -> Error {
        let top = top.display();
        let (why, fix) = match self {
            Self::ReadOnly => (
                format!("{top} is mounted read-only, as it is in most containers"),
                "run on the host, or start the container with --privileged".to_owned(),
            ),
            Self::RootWithoutRights => (
                format!("{top} does not belong to this root: it is the root of a user namespace"),
                "run it with sudo; or on cgroup v2 begin in a group of your own: \
                 systemd-run --user --scope -p Delegate=yes COMMAND"
                    .to_owned(),
            ),
            Self::NotDelegated => (
                "no group above this process belongs to this user".to_owned(),
                "systemd-run --user --scope -p Delegate=yes COMMAND starts it in one that does"
                    .to_owned(),
            ),
            Self::NoUserSession => (
                "no group above this process belongs to this user, and no systemd user manager \
                 runs to ask for one"
                    .to_owned(),
                format!(
                    "as root: mkdir {top}/mine, chown it with its cgroup.procs and \
                     cgroup.subtree_control, and start the user's shell inside; or log in where \
                     systemd runs"
                ),
            ),
            Self::OrdinaryUserOnV1 => (
                "this machine has cgroup v1, which cannot be handed to ordinary users safely"
                    .to_owned(),
                "run it with sudo; or boot with systemd.unified_cgroup_hierarchy=1 for cgroup v2"
                    .to_owned(),
            ),
        };
        Error::new("cannot make a control group").why(why).see("7 cgroups").fix(fix)
    }
}
