//! `freeze` and `thaw`: a group by its path, or the group of a process.

use std::{path::PathBuf, process::ExitCode};

use cgroups::{Controller, Group, Hierarchies, Version};
use ground::{Error, Explanation, Narrator, Result, Table};
use nix::unistd::Pid;

use super::tree;
use crate::told;

/// What is to be frozen.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// The group's path as `tree` shows it, or the id of a process in it
    #[arg(value_name = "GROUP|PID")]
    target: String,
}

impl Target {
    /// `freeze`
    pub fn freeze(&self, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
        let group = self.group()?;
        if narrator.plans_only() {
            return plan(narrator, &group, true);
        }
        group.freeze()?;
        show(narrator, &group)
    }

    /// `thaw`
    pub fn thaw(&self, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
        let group = self.group()?;
        if narrator.plans_only() {
            return plan(narrator, &group, false);
        }
        group.thaw()?;
        show(narrator, &group)
    }

    fn group(&self) -> Result<Group> {
        if let Ok(pid) = self.target.parse() {
            return Group::of_process(Pid::from_raw(pid));
        }
        let group = Hierarchies::of_this_process()?.group(&PathBuf::from(&self.target));
        group.ok_or_else(|| no_group(&self.target))
    }
}

/// The report for a path that is none.
pub fn no_group(path: &str) -> Error {
    Error::new(format!("there is no group '{path}'"))
        .why("no tree has a directory of that path")
        .see("7 cgroups")
        .fix("lab-02 tree shows the groups; the path is the one below the mount point")
}

fn plan(narrator: &mut Narrator<'_>, group: &Group, freeze: bool) -> Result<ExitCode> {
    told(narrator.plan(explain(group, freeze).as_slice()))?;
    Ok(ExitCode::SUCCESS)
}

/// The call that freezes or thaws `group`.
pub fn explain(group: &Group, freeze: bool) -> Option<Explanation> {
    let dir = group.dir_of(Controller::Freezer)?;
    let version = group.directories().find(|(it, ..)| *it == dir).map(|(_, version, _)| version)?;
    let (file, value) = match (version, freeze) {
        (Version::V1, true) => ("freezer.state", "FROZEN"),
        (Version::V1, false) => ("freezer.state", "THAWED"),
        (Version::V2, true) => ("cgroup.freeze", "1"),
        (Version::V2, false) => ("cgroup.freeze", "0"),
    };
    let call = format!("write(\"{}\", \"{value}\")", dir.join(file).display());
    Some(Explanation::new(call, cgroups::advice::meaning(file), "7 cgroups"))
}

fn show(narrator: &mut Narrator<'_>, group: &Group) -> Result<ExitCode> {
    let dir = group.dir_of(Controller::Freezer).unwrap_or(&group.name);
    let table = Table::new(["group", "processes", "state"]).row([
        dir.display().to_string(),
        group.procs_of(Controller::Freezer).len().to_string(),
        tree::state(group),
    ]);
    told(narrator.table(&table))?;
    Ok(ExitCode::SUCCESS)
}
