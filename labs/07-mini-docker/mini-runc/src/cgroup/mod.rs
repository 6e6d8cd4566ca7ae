//! The cgroup of a container: where it is, what its limits become, how it ends.
//!
//! Everything here is lab 02's; this file translates the words of config.json.
//!
//! Source: runtime specification, config-linux.md, "Control groups".

mod devices;
mod joining;
mod resources;
mod scope;

pub(crate) use joining::for_exec;
pub(crate) use resources::{in_json, limits};
pub(crate) use scope::{Anchor, Scope};

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use cgroups::{
    Controller, Controllers, Group, Hierarchies, Hierarchy, Limits, Site, Version,
    devices::{Control, List},
};
use ground::{Errno, Error, Explanation, Result, Step};

use crate::caller::Caller;

/// A container's place in the trees, and what it may use there.
#[derive(Debug)]
pub(crate) struct Place {
    group: Group,
    limits: Limits,
    devices: Option<List>,
    needed: Controllers,
    made: bool,
    /// Whether rules that cannot be enforced are an error: we are the machine's root.
    enforce_devices: bool,
    trees: Vec<Tree>,
}

/// One directory of a container's group.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The group's directory.
    pub(crate) directory: PathBuf,
    /// The controllers of a v1 tree, as mount(2) wants them; `None` for v2.
    pub(crate) names: Option<String>,
    mount_point: PathBuf,
}

impl Tree {
    /// The directory's name below /sys/fs/cgroup, as `cpu,cpuacct`.
    pub(crate) fn name(&self) -> &str {
        self.mount_point.file_name().and_then(|name| name.to_str()).unwrap_or("unified")
    }
}

impl Place {
    /// The place that config.json and the machine allow; nothing is made. `None`, with a warning,
    /// where we may make no groups and no limit needs one.
    ///
    /// # Errors
    /// Limits that cannot be kept here, or that mean nothing.
    pub(crate) fn find(
        bundle: &crate::bundle::Bundle,
        id: &str,
        caller: &Caller,
        scope: Option<&Scope>,
        warn: &mut dyn FnMut(String),
    ) -> Result<Option<Self>> {
        let resources = bundle.linux().resources.clone().unwrap_or_default();
        let limits = resources::limits(&resources)?;
        let site = match site(scope) {
            Ok(site) => site,
            // Device rules are what every engine writes, and an ordinary user can enforce none: nor
            // can they make a node that would need it.
            Err(error) if limits == Limits::default() && scope.is_none() => {
                // An engine that has made a user namespace for us knows what it gave us.
                if !caller.in_user_namespace {
                    let why = error.why.unwrap_or_default();
                    warn(format!("the container gets no cgroup of its own: {why}"));
                }
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Self::at(&site, bundle, id, caller, scope).map(Some)
    }

    /// The same for a plan that is only told, by somebody who could not follow it: with a warning
    /// instead of an error, the place that root would have.
    ///
    /// # Errors
    /// Limits that mean nothing, or a controller that the machine does not have.
    pub(crate) fn on_paper(
        bundle: &crate::bundle::Bundle,
        id: &str,
        caller: &Caller,
        scope: Option<&Scope>,
        warn: &mut dyn FnMut(String),
    ) -> Result<Option<Self>> {
        let error = match Self::find(bundle, id, caller, scope, warn) {
            Err(error) if Site::find().is_err() => error,
            found => return found,
        };
        warn(format!("this user cannot follow the plan: {}", error.why.unwrap_or(error.what)));
        let site = Site::on_paper(Hierarchies::of_this_process()?);
        Self::at(&site, bundle, id, caller, scope).map(Some)
    }

    fn at(
        site: &Site,
        bundle: &crate::bundle::Bundle,
        id: &str,
        caller: &Caller,
        scope: Option<&Scope>,
    ) -> Result<Self> {
        let resources = bundle.linux().resources.clone().unwrap_or_default();
        let limits = resources::limits(&resources)?;
        site.require(&limits.controllers())?;
        let mut needed = Controller::accounting();
        needed.extend(limits.controllers());
        needed.insert(Controller::Devices);
        let own_name = || name_of(bundle.linux().cgroups_path.as_deref(), id);
        let name = scope.map_or_else(own_name, Scope::path);
        let group = Group::plan(site, name, &needed).map_err(|error| {
            let why = format!("config.json, linux.cgroupsPath: {}", error.why.unwrap_or_default());
            Error { why: Some(why), ..error }
        })?;
        let trees = trees(&group, site);
        Ok(Self {
            group,
            limits,
            devices: devices::list(&resources.devices)?,
            needed,
            made: false,
            enforce_devices: !caller.in_user_namespace,
            trees,
        })
    }

    /// Refuses a group that others live in. Asked before the group is written down as ours: whoever
    /// cleans up after us kills what is in it.
    ///
    /// # Errors
    /// A group with processes in it.
    pub(crate) fn must_be_empty(&self) -> Result<()> {
        if !self.group.procs().is_empty() {
            let name = self.group.name.display();
            return Err(Error::new("container's cgroup is not empty")
                .why(format!("processes run in the group {name} already"))
                .see("7 cgroups")
                .fix("choose another linux.cgroupsPath, or end them"));
        }
        Ok(())
    }

    /// Makes the group and writes the limits.
    ///
    /// # Errors
    /// What the kernel refuses; nothing is left then.
    pub(crate) fn make(&mut self, warn: &mut dyn FnMut(String)) -> Result<()> {
        self.group.make(&self.needed)?;
        self.made = true;
        self.group.ignored(&self.limits).iter().for_each(|it| warn(not_kept(it)));
        let applied = self.group.apply(&self.limits).and_then(|()| self.apply_devices(warn));
        applied.inspect_err(|_| {
            let _ = self.group.remove();
        })
    }

    /// Has systemd make the group, where it is to be one of its own; before [`Place::make`].
    ///
    /// # Errors
    /// As [`Scope::begin`].
    pub(crate) fn begin(&self, scope: &Scope) -> Result<Anchor> {
        scope.begin(&self.limits, self.devices.as_ref())
    }

    fn apply_devices(&self, warn: &mut dyn FnMut(String)) -> Result<()> {
        let Some(devices) = &self.devices else { return Ok(()) };
        match self.group.control_devices(devices)? {
            Control::Enforced => Ok(()),
            // Root of a user namespace: it cannot make nodes either, and is shown only harmless ones.
            Control::NotOurs if !self.enforce_devices => {
                warn("device rules are not enforced: that takes CAP_BPF of the machine".to_owned());
                Ok(())
            }
            Control::NotOurs => Err(Error::new("cannot limit the container's devices")
                .why("attaching a program to a cgroup takes CAP_BPF, or CAP_SYS_ADMIN")
                .see("7 capabilities")
                .fix("give the runtime one of them; or leave linux.resources.devices out")),
        }
    }

    /// The steps by which the child enters it; none where it is born inside.
    pub(crate) fn join(&self) -> Result<Vec<Box<dyn Step>>> {
        if self.is_v2() {
            return Ok(Vec::new());
        }
        if !self.made {
            let told = self.group.explain_join().map(|it| Box::new(Told(it)) as Box<dyn Step>);
            return Ok(told.collect());
        }
        let joins = self.group.join()?.into_iter();
        Ok(joins.map(|step| Box::new(step) as Box<dyn Step>).collect())
    }

    /// Whether the child is born inside.
    pub(crate) fn is_v2(&self) -> bool {
        matches!(self.trees.as_slice(), [Tree { names: None, .. }])
    }

    /// The directory for clone3(2)'s CLONE_INTO_CGROUP.
    ///
    /// # Errors
    /// The group is gone.
    pub(crate) fn dir_fd(&self) -> Result<Option<OwnedFd>> {
        if self.made { self.group.dir_fd() } else { Ok(None) }
    }

    /// Its directories.
    pub(crate) fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// The group itself.
    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    /// The calls of [`Place::make`], for a plan.
    ///
    /// # Errors
    /// Limits that mean nothing.
    pub(crate) fn explain(&self) -> Result<Vec<Explanation>> {
        let mut calls = self.group.explain(&self.needed);
        let writes = self.group.writes(&self.limits)?;
        calls.extend(writes.iter().map(|(dir, write)| write.explain(dir)));
        calls.extend(self.devices.iter().flat_map(|list| self.group.explain_devices(list)));
        Ok(calls)
    }
}

/// A step of a plan that is only told: what it needs is not there.
#[derive(Debug)]
struct Told(Explanation);

impl Step for Told {
    fn run(&self) -> std::result::Result<(), Errno> {
        Err(Errno::EBADF)
    }

    fn explain(&self) -> Explanation {
        self.0.clone()
    }
}

/// The remark about a limit that this machine has no place for.
pub(crate) fn not_kept(limit: &cgroups::Ignored) -> String {
    format!("linux.resources.{} has no effect: {}", limit.field, limit.why)
}

/// The group of a container that exists; `None` when it is gone or there never was one.
///
/// # Errors
/// The trees cannot be looked at: a group that was made there must not be taken for gone.
pub(crate) fn open(name: &Path, scope: Option<&Scope>) -> Result<Option<Group>> {
    Group::open(&site(scope)?, name)
}

/// The group of a container that runs, also in the trees that `limits` need.
///
/// # Errors
/// As [`Group::extended`].
pub(crate) fn extended(group: &Group, scope: Option<&Scope>, limits: &Limits) -> Result<Group> {
    group.extended(&site(scope)?, &limits.controllers())
}

/// Where the group lies: among systemd's, or where this process may make groups.
fn site(scope: Option<&Scope>) -> Result<Site> {
    scope.map_or_else(Site::find, Scope::site)
}

fn trees(group: &Group, site: &Site) -> Vec<Tree> {
    let tree = |(dir, version, controllers): (&Path, Version, &Controllers)| {
        // A v2 place may offer less than the tree has, but there is one such tree.
        let same = |it: &&Hierarchy| match version {
            Version::V1 => it.version == version && it.controllers == *controllers,
            Version::V2 => it.version == version,
        };
        let mounted = site.hierarchies.mounted.iter().find(same);
        let names: Vec<_> = controllers.iter().map(|it| it.name(version)).collect();
        Tree {
            directory: dir.to_owned(),
            names: (version == Version::V1).then(|| names.join(",")),
            mount_point: mounted.map(|it| it.mount_point.clone()).unwrap_or_default(),
        }
    };
    group.directories().map(tree).collect()
}

/// The group's path. `slice:prefix:name` is what the systemd driver is given; without systemd it is
/// a path like any other.
fn name_of(cgroups_path: Option<&str>, id: &str) -> PathBuf {
    let Some(path) = cgroups_path.filter(|path| !path.is_empty()) else {
        return PathBuf::from(format!("mini-runc-{id}"));
    };
    match path.split(':').collect::<Vec<_>>().as_slice() {
        [slice, prefix, name] => {
            let slice = if slice.is_empty() { "system.slice" } else { slice };
            scope::nested_slices(slice).join(scope::unit(prefix, name))
        }
        _ => PathBuf::from(path.trim_start_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn named(path: Option<&str>, expected: &str) {
        assert_eq!(name_of(path, "box"), PathBuf::from(expected));
    }

    #[test]
    fn a_group_has_the_name_that_config_json_gives() {
        named(Some("/docker/box"), "docker/box");
        named(None, "mini-runc-box");
        named(Some("system.slice:docker:box"), "system.slice/docker-box.scope");
        named(Some("user-1000.slice::box"), "user.slice/user-1000.slice/box.scope");
    }
}
