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
        let here = Hierarchies::of_this_process().expect("a cgroup file system");
        let mounts: Vec<_> = here.mounted.iter().map(|it| it.mount_point.clone()).collect();
        mounts.iter().for_each(|it| sweep(it));
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
        let until = Instant::now() + PATIENCE;
        for group in &self.0 {
            while remove(group).is_err() && Instant::now() < until {
                thread::sleep(Duration::from_millis(20));
            }
        }
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

fn sweep(mount: &Path) {
    for entry in fs::read_dir(mount).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.strip_prefix(PREFIX).is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = remove(&entry.path());
        }
    }
}

/// Removes a group and those below it, from the leaves up.
fn remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
