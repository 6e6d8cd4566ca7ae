//! Joining: the group of a further process of a container.
//!
//! It is the container's, unless `exec --cgroup` names one below it. On v2 a group whose children
//! have controllers takes no processes ("no internal processes", cgroup-v2.rst): a container that
//! runs systemd has moved itself into a child, and there we follow its first process.
//!
//! Source: runc-exec(8), `--cgroup`.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use cgroups::{Controller, Group, Version};
use ground::{Error, Result};
use nix::unistd::Pid;

use super::Scope;

/// The group for a process that joins the container of process `first`, and the files of groups of
/// single controllers that it is to join after that.
///
/// # Errors
/// A group that is not there or leads out of the container's; a controller where there is one tree.
pub(crate) fn for_exec(
    group: Option<Group>,
    scope: Option<&Scope>,
    first: Pid,
    asked: &[String],
) -> Result<(Option<Group>, Vec<PathBuf>)> {
    let Some(group) = group else {
        return match asked.first() {
            None => Ok((None, Vec::new())),
            Some(asked) => Err(refused(asked, "the container has no cgroup".to_owned())),
        };
    };
    let mut whole = None;
    let mut parts = Vec::new();
    for asked in asked {
        match asked.split_once(':') {
            None => whole = Some(below(&group, scope, asked)?),
            Some((controllers, path)) => parts.extend(of_controllers(&group, controllers, path)?),
        }
    }
    match whole {
        Some(whole) => Ok((Some(whole), parts)),
        None if has_children_with_controllers(&group) => {
            Ok((Some(Group::of_process(first)?), parts))
        }
        None => Ok((Some(group), parts)),
    }
}

fn refused(asked: &str, why: String) -> Error {
    Error::new(format!("cannot join the cgroup {asked:?}"))
        .why(format!("--cgroup: {why}"))
        .see("7 cgroups")
        .fix("name one that is there, below the container's own: --cgroup [CONTROLLER:]PATH")
}

/// A path that stays below.
fn inside<'a>(asked: &str, path: &'a str) -> Result<&'a Path> {
    let path = Path::new(path.trim_start_matches('/'));
    if path.components().all(|it| matches!(it, Component::Normal(_) | Component::CurDir)) {
        return Ok(path);
    }
    Err(refused(asked, "it leads out of the container's group".to_owned()))
}

fn below(group: &Group, scope: Option<&Scope>, asked: &str) -> Result<Group> {
    let path = inside(asked, asked)?;
    if let Some((dir, ..)) = group.directories().find(|(dir, ..)| !dir.join(path).is_dir()) {
        return Err(refused(asked, format!("there is no {}", dir.join(path).display())));
    }
    let there = super::open(&group.name.join(path), scope)?;
    there.ok_or_else(|| refused(asked, "it went away just now".to_owned()))
}

fn of_controllers(group: &Group, controllers: &str, path: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in controllers.split(',') {
        let dir = Controller::from_name(name).and_then(|it| group.dir_of(it));
        let v1 =
            group.directories().any(|(it, version, _)| Some(it) == dir && version == Version::V1);
        let Some(dir) = dir.filter(|_| v1) else {
            return Err(refused(name, "no tree of its own has this controller".to_owned()));
        };
        let file = dir.join(inside(path, path)?).join("cgroup.procs");
        if !file.exists() {
            return Err(refused(path, format!("there is no {}", file.display())));
        }
        files.push(file);
    }
    Ok(files)
}

fn has_children_with_controllers(group: &Group) -> bool {
    let mut v2 = group.directories().filter(|(_, version, _)| *version == Version::V2);
    v2.any(|(dir, ..)| {
        fs::read_to_string(dir.join("cgroup.subtree_control")).is_ok_and(|it| !it.trim().is_empty())
    })
}
