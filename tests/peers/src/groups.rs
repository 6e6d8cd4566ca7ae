//! A control group of our own in every hierarchy: what engines make below it goes with it.
//!
//! Control groups are the one thing that outlives namespaces. Processes started in this group and
//! then put into a cgroup namespace take it for the root, so engines find the machine they expect,
//! and there is one directory a hierarchy to remove. Its name has the first process's PID: as long
//! as that lives it is no leak, and whoever comes next sweeps what a killed test has left.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use cgroups::Hierarchies;

const PREFIX: &str = "unboxed-stage-";
/// Processes that were killed a moment ago still count as members.
const PATIENCE: Duration = Duration::from_secs(10);

/// One directory in each hierarchy; they are removed with the value.
#[derive(Debug)]
pub struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes them for a process and puts it into them, after those of dead ones have been removed.
    ///
    /// # Panics
    /// When one cannot be made.
    pub fn around(pid: u32) -> Self {
        sweep();
        let mounts = mounts();
        let name = format!("{PREFIX}{pid}");
        let groups = Self(mounts.iter().map(|it| it.join(&name)).collect());
        for (group, mount) in groups.0.iter().zip(&mounts) {
            fs::create_dir(group).unwrap_or_else(|error| panic!("{}: {error}", group.display()));
            inherit_cpus(mount, group);
            fs::write(group.join("cgroup.procs"), pid.to_string())
                .unwrap_or_else(|error| panic!("{}: {error}", group.display()));
        }
        groups
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        remove_all(&self.0);
    }
}

/// A new group of v1's cpuset may run nowhere until it is told where (man 7 cpuset).
fn inherit_cpus(mount: &Path, group: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read(mount.join(file)) {
            let _ = fs::write(group.join(file), value);
        }
    }
}

/// Removes what killed tests have left.
///
/// # Panics
/// When there is no cgroup file system.
pub fn sweep() {
    remove_all(&mounts().iter().flat_map(|it| of_the_dead(it)).collect::<Vec<_>>());
}

fn mounts() -> Vec<PathBuf> {
    let here = Hierarchies::of_this_process().expect("a cgroup file system");
    here.mounted.into_iter().map(|it| it.mount_point).collect()
}

fn of_the_dead(mount: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(mount).into_iter().flatten().flatten();
    let dead = |group: &PathBuf| {
        let name = group.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(PREFIX).is_some_and(is_dead)
    };
    entries.map(|entry| entry.path()).filter(dead).collect()
}

/// Gone, or a zombie whose parent has not looked yet (man 5 proc_pid_stat).
fn is_dead(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
}

/// Removes groups whose processes have been killed. A frozen one of v1 does not die before it is
/// thawed, and until then it is in the way in every hierarchy.
fn remove_all(groups: &[PathBuf]) {
    groups.iter().for_each(|it| thaw(it));
    let until = Instant::now() + PATIENCE;
    for group in groups {
        while remove(group).is_err() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn thaw(group: &Path) {
    let state = group.join("freezer.state");
    if state.exists() {
        let _ = fs::write(state, "THAWED");
        below(group).for_each(|it| thaw(&it));
    }
}

/// Removes a group and those below it, from the leaves up.
fn remove(group: &Path) -> io::Result<()> {
    below(group).try_for_each(|it| remove(&it))?;
    match fs::remove_dir(group) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn below(group: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}
