//! `tree`: the groups of the machine, by parenthood.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use cgroups::{FreezeState, Group, Hierarchies, Version};
use ground::{Narrator, Result, Table};

use crate::told;

/// Shows every group with its controllers, its processes and whether it is frozen.
pub fn tree(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let here = Hierarchies::of_this_process()?;
    let paths = here.groups();
    let mut table = Table::new(["group", "controllers", "processes", "state"])
        .title(format!("{:?}", here.mode()).to_lowercase());
    for path in &paths {
        // A group may go while we look.
        let Some(group) = here.group(path) else { continue };
        table.push([drawn(path, &paths), controllers(&group), own_procs(&group), state(&group)]);
    }
    told(narrator.table(&table))?;
    Ok(ExitCode::SUCCESS)
}

/// `│  └─ name`, by what follows among its siblings and those of the groups above it.
fn drawn(path: &PathBuf, all: &BTreeSet<PathBuf>) -> String {
    let Some(name) = path.file_name() else { return "/".to_owned() };
    let is_last = |path: &PathBuf| {
        let mut siblings = all.iter().filter(|it| it.parent() == path.parent());
        siblings.next_back() == Some(path)
    };
    let above: Vec<PathBuf> = path.ancestors().skip(1).map(PathBuf::from).collect();
    let rails = above.iter().rev().filter(|it| it.file_name().is_some());
    let rails: String = rails.map(|it| if is_last(it) { "   " } else { "│  " }).collect();
    let branch = if is_last(path) { "└─ " } else { "├─ " };
    format!("{rails}{branch}{}", name.to_string_lossy())
}

fn controllers(group: &Group) -> String {
    let mut names: Vec<&str> = group
        .directories()
        .flat_map(|(_, version, controllers)| controllers.iter().map(move |it| it.name(version)))
        .collect();
    names.sort_unstable();
    if group.directories().any(|(_, version, _)| version == Version::V2) {
        names.push("(v2)");
    }
    names.join(" ")
}

/// The processes in the group itself; on v1 they may differ from tree to tree, and the most counts.
fn own_procs(group: &Group) -> String {
    let count = |dir: &std::path::Path| {
        let text = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        text.lines().count()
    };
    group.directories().map(|(dir, ..)| count(dir)).max().unwrap_or_default().to_string()
}

/// The freezer's word for the group.
pub fn state(group: &Group) -> String {
    match group.freeze_state() {
        Some(FreezeState::Frozen) => "frozen",
        Some(FreezeState::Freezing) => "freezing",
        Some(FreezeState::Thawed) => "runs",
        None => "-",
    }
    .to_owned()
}
