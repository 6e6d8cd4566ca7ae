//! The directories: where they are, what mkdir makes, what is left.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use cgroups::{Bound, Controller, Group, Hierarchies, Site, Stat, Temporary, Version};
use ground::{Errno, Evidence, Explanation, Result, Scene, Table};
use namespaces::Exit;
use nix::sys::signal::Signal;

use super::stage::{self, Stage, Worker, contradiction};

/// The machine's trees and our own place in them.
pub fn where_we_are() -> Scene<Stage> {
    let calls = [
        Explanation::new(
            "read(\"/proc/self/mountinfo\")",
            "the mounts of type cgroup (v1, one tree per controller) and cgroup2 (one for all)",
            "5 proc_pid_mountinfo",
        ),
        Explanation::new(
            "read(\"/proc/self/cgroup\")",
            "which group this process is in, in each tree",
            "7 cgroups",
        ),
    ];
    Scene::new("Where do the controllers live, and where are we?", calls, |stage| {
        let table = trees(&stage.hierarchies);
        let mode = match stage.hierarchies.mode() {
            cgroups::Mode::V1 => "v1: a tree per controller, a group is a directory in each",
            cgroups::Mode::Hybrid => {
                "hybrid: v1 trees hold the controllers, and a v2 tree stands beside them"
            }
            cgroups::Mode::V2 => "v2: one tree for every controller, a group is one directory",
        };
        let place = match &stage.site {
            Ok(site) => site.places.first().map(|(_, place)| place.display().to_string()),
            Err(_) => None,
        };
        let place = place.map_or("This user may make groups nowhere.".to_owned(), |it| {
            format!("This user may make groups, the first of the places being {it}.")
        });
        Ok(Evidence::new(format!("This machine is {mode}.\n{place}")).table(table).into())
    })
}

fn trees(here: &Hierarchies) -> Table {
    let mut table = Table::new(["version", "controllers", "mounted at", "our own group"])
        .title("/proc/self/mountinfo, /proc/self/cgroup");
    for tree in &here.mounted {
        let names: Vec<&str> = tree.controllers.iter().map(|it| it.name(tree.version)).collect();
        let below = |own: &Path| {
            let inside = own.strip_prefix(&tree.mount_point).unwrap_or(own);
            shortened(inside)
        };
        table.push([
            version(tree.version).to_owned(),
            if names.is_empty() { "(none)".to_owned() } else { names.join(" ") },
            tree.mount_point.display().to_string(),
            tree.own.as_deref().map_or("(not visible)".to_owned(), below),
        ]);
    }
    table
}

/// A group's path; of a long one the end, which tells the groups apart.
fn shortened(inside: &Path) -> String {
    let whole = format!("/{}", inside.display());
    let length = whole.chars().count();
    match length > LONGEST {
        true => format!("..{}", whole.chars().skip(length - LONGEST).collect::<String>()),
        false => whole,
    }
}

/// What a cell of an 80 column terminal has room for.
const LONGEST: usize = 20;

fn version(version: Version) -> &'static str {
    match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
    }
}

const MKDIR: [Controller; 3] = [Controller::Cpu, Controller::Memory, Controller::Pids];

/// mkdir(2) makes a group, and the kernel fills it.
pub fn mkdir(site: &Site) -> Result<Scene<Stage>> {
    let calls = stage::on_paper(site, "made", &MKDIR)?.explain(&stage::needed(&MKDIR.into()));
    Ok(Scene::new(
        "A group is a directory: mkdir(2) makes it, files appear by themselves",
        calls,
        |stage| {
            let plan = stage.site.as_ref().ok().map(|it| stage::on_paper(it, "made", &MKDIR));
            let there = |plan: Group| plan.directories().map(|(dir, ..)| dir.exists()).collect();
            let before: Vec<bool> = plan.transpose()?.map(there).unwrap_or_default();
            stage.in_group("made", &MKDIR, |group| made(group, &before))
        },
    ))
}

fn made(group: &Group, before: &[bool]) -> Result<Evidence> {
    let mut table = Table::new(["tree", "before", "after", "among them"]);
    for ((dir, tree, controllers), existed) in group.directories().zip(before) {
        let files = names(dir);
        if files.is_empty() {
            return Err(contradiction("files in a new group", "none"));
        }
        let first = controllers.first().map(|it| it.name(tree));
        table.push([
            if tree == Version::V2 { "v2" } else { first.unwrap_or("-") }.to_owned(),
            if *existed { "there" } else { "absent" }.to_owned(),
            format!("{} files", files.len()),
            WORTH_SEEING
                .iter()
                .copied()
                .filter(|it| files.contains(*it))
                .collect::<Vec<_>>()
                .join(" "),
        ]);
    }
    Ok(Evidence::new(
        "Nobody wrote these files: each is a variable of the kernel, read and set by name.",
    )
    .table(table))
}

const WORTH_SEEING: [&str; 8] = [
    "cgroup.procs",
    "tasks",
    "cpu.max",
    "cpu.cfs_quota_us",
    "freezer.state",
    "memory.max",
    "memory.limit_in_bytes",
    "pids.max",
];

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|it| it.file_name().into_string().ok()).collect()
}

/// The file, and what the value in it limits.
const DEFAULTS: [(Controller, &str, &str); 8] = [
    (Controller::Cpu, "cpu.max", "us of CPU time, per us"),
    (Controller::Cpu, "cpu.cfs_quota_us", "us of CPU time per period"),
    (Controller::Cpu, "cpu.cfs_period_us", "the period in us"),
    (Controller::Cpu, "cpu.weight", "share when contended"),
    (Controller::Cpu, "cpu.shares", "share when contended"),
    (Controller::Memory, "memory.max", "bytes"),
    (Controller::Memory, "memory.limit_in_bytes", "bytes"),
    (Controller::Pids, "pids.max", "tasks, threads included"),
];

/// What a fresh group allows: everything.
pub fn defaults(site: &Site) -> Result<Scene<Stage>> {
    let group = stage::on_paper(site, "fresh", &[Controller::Cpu])?;
    let v2 = group.directories().any(|(_, version, _)| version == Version::V2);
    let quota = if v2 { "cpu.max" } else { "cpu.cfs_quota_us" };
    let path = stage::file(&group, Controller::Cpu, quota);
    let calls = [stage::read(&path, "the quota that nobody has set yet")];
    Ok(Scene::new("What does a fresh group allow?", calls, |stage| {
        stage.in_group("fresh", &[Controller::Cpu], fresh)
    }))
}

fn fresh(group: &Group) -> Result<Evidence> {
    let mut table = Table::new(["file", "value", "of what"]);
    for (controller, file, limits) in DEFAULTS {
        let path = stage::file(group, controller, file);
        if let Ok(value) = fs::read_to_string(path) {
            table.push([file, value.trim(), limits]);
        }
    }
    let Stat { cpu, memory, pids } = group.stat();
    let (Some(Bound::Unlimited), Some(period)) = (cpu.quota_us, cpu.period_us) else {
        return Err(contradiction("no quota in a fresh group", format!("{:?}", cpu.quota_us)));
    };
    // What is not counted here cannot be limited either.
    let free = |limit: Option<Bound>| limit.is_none_or(|it| it == Bound::Unlimited);
    if !free(memory.limit) || !free(pids.limit) {
        let seen = format!("{:?} bytes, {:?} tasks", memory.limit, pids.limit);
        return Err(contradiction("no limit in a fresh group", seen));
    }
    Ok(Evidence::new(format!(
        "No quota (-1 on v1, max on v2) in a period of {period} us, all memory, as many tasks as \
         anybody: a new group limits nothing. \"No limit\" is a word in v2, in v1 -1 or the \
         largest number of bytes that a page count holds."
    ))
    .table(table))
}

/// A group with a process in it does not go; without, it leaves nothing.
pub fn the_end(site: &Site) -> Result<Scene<Stage>> {
    let group = stage::on_paper(site, "end", &[])?;
    let dir = group.directories().next().map(|(dir, ..)| dir.display().to_string());
    let dir = dir.unwrap_or_default();
    let calls = [
        Explanation::new(
            format!("rmdir(\"{dir}\")"),
            "refused while a process is inside; the files need no removing",
            "2 rmdir",
        ),
        kill_explained(&group),
    ];
    let calls = calls.into_iter().chain(Temporary::explain_guardian());
    Ok(Scene::new("How does a group end?", calls, |stage| stage.in_group("end", &[], ended)))
}

fn kill_explained(group: &Group) -> Explanation {
    match group.directories().find(|(_, version, _)| *version == Version::V2) {
        Some((dir, ..)) => Explanation::new(
            format!("write(\"{}/cgroup.kill\", \"1\")", dir.display()),
            cgroups::advice::meaning("cgroup.kill"),
            "7 cgroups",
        ),
        None => Explanation::new(
            "freezer.state = FROZEN; kill(each of cgroup.procs, SIGKILL); freezer.state = THAWED",
            "frozen, so that nothing forks away; thawed, because only a running task can die",
            "7 cgroups",
        ),
    }
}

fn ended(group: &Group) -> Result<Evidence> {
    let mut worker = Worker::start(Some(group), &["idle", "30000"])?;
    let Some((dir, ..)) = group.directories().next() else {
        return Err(contradiction("a directory", "none"));
    };
    let refused = match nix::unistd::unlinkat(
        nix::fcntl::AT_FDCWD,
        dir,
        nix::unistd::UnlinkatFlags::RemoveDir,
    ) {
        Err(Errno::EBUSY) => "EBUSY",
        other => return Err(contradiction("EBUSY from rmdir", format!("{other:?}"))),
    };
    group.kill_all()?;
    let exit = worker.child.wait()?;
    if exit != Exit::Signal(Signal::SIGKILL) {
        return Err(contradiction("an end by SIGKILL", format!("{exit:?}")));
    }
    group.remove()?;
    let left = group.directories().filter(|(dir, ..)| dir.exists()).count();
    let (waited, orphaned) = orphaned()?;
    let table = Table::new(["what", "kernel's answer"])
        .row(["rmdir with a process inside".to_owned(), refused.to_owned()])
        .row(["after killing the group, the process".to_owned(), "ended by SIGKILL".to_owned()])
        .row(["directories left after rmdir".to_owned(), left.to_string()])
        .row(["SIGKILL to the maker of another group".to_owned(), "it is gone".to_owned()])
        .row([format!("its directories, {waited:.2} s later"), orphaned.to_string()]);
    Ok(Evidence::new(
        "Namespaces go with their last process, a group stays until somebody removes it: runtimes \
         must. One that is killed cannot, so a small process beside it, the guardian, waits for \
         its end and does it: a container's monitor is that, and more.",
    )
    .table(table))
}

/// Kills the maker of a guarded group; so many of its directories are left, after so many seconds.
fn orphaned() -> Result<(f64, usize)> {
    let mut maker = Worker::start(None, &["make-a-group"])?;
    let directories = maker.line()?;
    let directories: Vec<&Path> = directories.split(' ').map(Path::new).collect();
    if !directories.iter().all(|it| it.is_dir()) {
        return Err(contradiction("a second group", format!("{directories:?}")));
    }
    maker.child.kill(Signal::SIGKILL)?;
    let exit = maker.child.wait()?;
    if exit != Exit::Signal(Signal::SIGKILL) {
        return Err(contradiction("a killed maker", format!("{exit:?}")));
    }
    let killed = Instant::now();
    let left = || directories.iter().filter(|it| it.exists()).count();
    while left() > 0 && killed.elapsed() < GRACE {
        thread::sleep(Duration::from_millis(10));
    }
    match left() {
        0 => Ok((killed.elapsed().as_secs_f64(), 0)),
        left => {
            Err(contradiction("a group removed by its guardian", format!("{left} directories")))
        }
    }
}

/// A guardian needs some milliseconds; a busy machine may need more.
const GRACE: Duration = Duration::from_secs(5);
