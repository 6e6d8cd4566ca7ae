//! Which processes a container has, seen from here.

use std::{fs, path::Path};

use cgroups::Group;
use ground::Error as Report;
use namespaces::{Id, Kind as Namespace};
use nix::unistd::Pid;

use super::{Engine, Error, Result};
use crate::container::Record;

impl Engine {
    /// The container's processes, by their numbers here, in order.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it does not run.
    pub fn processes(&self, record: &Record) -> Result<Vec<i32>> {
        let Some(first) = record.state.pid.filter(|_| record.state.status.is_up()) else {
            return Err(not_running(record));
        };
        let mut pids = match group_of(record).and_then(|group| members(&group, &record.id)) {
            Some(pids) => pids,
            // Without a group of its own it is known by its PID namespace.
            None => in_namespace(first),
        };
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }
}

/// The control group of a container that has one: where this user could make none, its processes
/// are in the user's own.
pub(super) fn group_of(record: &Record) -> Option<Group> {
    let group = Group::of_process(Pid::from_raw(record.state.pid?)).ok()?;
    let is_own = group.directories().any(|(dir, ..)| dir.to_string_lossy().contains(&record.id));
    is_own.then_some(group)
}

/// The processes in a tree where the group is the container's own; in others it may share one.
fn members(group: &Group, id: &str) -> Option<Vec<i32>> {
    let mut dirs = group.directories().map(|(dir, ..)| dir);
    let own = dirs.find(|dir| dir.to_string_lossy().contains(id))?;
    let mut pids = Vec::new();
    collect(own, &mut pids);
    Some(pids)
}

/// The processes of a group and of those that a container made below it.
fn collect(dir: &Path, pids: &mut Vec<i32>) {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), pids);
        }
    }
}

fn in_namespace(first: i32) -> Vec<i32> {
    let namespace = |pid: i32| Id::of(Pid::from_raw(pid), Namespace::Pid).ok();
    let Some(theirs) = namespace(first) else { return vec![first] };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| namespace(*pid).as_ref() == Some(&theirs)).collect()
}

pub(super) fn not_running(record: &Record) -> Error {
    Error::conflict(
        Report::new(format!("Container {} is not running", record.id))
            .why(format!("it is {}", record.state.status.as_str()))
            .fix(format!("start it first: mini-docker start {}", record.name)),
    )
}
