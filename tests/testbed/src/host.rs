//! The host before and after: whatever a test makes must be gone, and the rest as it was.
//!
//! Tests run side by side, so a difference is first doubted: it may be undone a moment later
//! (teardown is asynchronous), or belong to another test that still runs. Names of ours carry the
//! pid of their maker: as long as that lives, the thing is no leak.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::id,
    thread,
    time::{Duration, Instant},
};

use crate::process::{self, OUR_NAMES, own_mark};

/// Undoing may take this long after a command has ended.
const GRACE: Duration = Duration::from_secs(3);
/// So long we wait for other tests whose work we cannot tell from a leak.
const OTHERS: Duration = Duration::from_secs(30);

/// A program of ours that nobody has marked, as a monitor whose starter has ended. A living one may be
/// another test's.
const STRAY: &str = "stray";

/// A controller that a group hands down. Another test may have been the one that enabled it, so it may
/// go; what comes and stays is a leak.
const HANDED_DOWN: &str = "handed down";

/// Directories whose entries with a name of ours are looked at.
const FILES: [&str; 8] =
    ["/tmp", "/var/tmp", "/run", "/run/netns", "/run/lock", "/var/lib", "/var/cache", "/dev/shm"];

/// What can be seen of the host: the things a lab makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(BTreeSet<String>);

impl Host {
    /// Looks at the host now.
    pub fn now() -> Self {
        let groups = cgroups().into_iter().chain(handed_down(&cgroup_mounts()));
        let things = mounts().into_iter().chain(links()).chain(groups).chain(files());
        Self(things.chain(processes()).collect())
    }

    /// Compares with the host as it is now.
    ///
    /// # Panics
    /// With the difference, when it does not go away.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        let started = Instant::now();
        loop {
            let difference = self.changes();
            if difference.is_empty() {
                return;
            }
            // A process that carries our mark is ours; all else may be another test's.
            let sure = difference.iter().any(|thing| thing.starts_with("+ process "));
            let patience = if !sure && others_run() { OTHERS } else { GRACE };
            assert!(
                started.elapsed() < patience,
                "the host is not as it was:\n  {}",
                difference.join("\n  ")
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The difference at this very moment, as lines `+ thing` and `- thing`.
    pub fn changes(&self) -> Vec<String> {
        self.difference(&Self::now())
    }

    /// What carries a name of ours may go: it was another test's.
    fn difference(&self, now: &Self) -> Vec<String> {
        let new = now.0.difference(&self.0).filter(|thing| !has_living_maker(thing));
        let gone = self.0.difference(&now.0).filter(|thing| !is_ours(thing));
        new.map(|thing| format!("+ {thing}"))
            .chain(gone.map(|thing| format!("- {thing}")))
            .collect()
    }
}

fn is_ours(thing: &str) -> bool {
    thing.starts_with("process ")
        || thing.starts_with(HANDED_DOWN)
        || thing.split(['/', ' ']).any(|part| OUR_NAMES.iter().any(|name| part.starts_with(name)))
}

/// Whether a number in this name is the pid of a living process, and not ours:
/// `cgroup /sys/fs/cgroup/pids/lab-02-4711-x7y`.
fn has_living_maker(thing: &str) -> bool {
    let nameless = ["process ", STRAY, HANDED_DOWN].iter().any(|it| thing.starts_with(it));
    if nameless || !is_ours(thing) {
        return false;
    }
    thing
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() >= 3)
        .filter_map(|digits| digits.parse::<u32>().ok())
        .any(|pid| pid != id() && Path::new(&format!("/proc/{pid}")).exists())
}

/// Whether a process of another test runs.
fn others_run() -> bool {
    let own = own_mark();
    process::all().values().any(|process| process.mark.as_ref().is_some_and(|mark| *mark != own))
}

/// Mount point and type of each mount, from the fields of proc_pid_mountinfo(5).
fn mounts() -> Vec<String> {
    let mountinfo = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        Some(format!("mount {} {}", left.split(' ').nth(4)?, right.split(' ').next()?))
    };
    let mut counts = BTreeMap::new();
    for mount in mountinfo.lines().filter_map(mount) {
        *counts.entry(mount).or_insert(0) += 1;
    }
    // The same twice is a mount on a mount.
    counts.into_iter().map(|(mount, times)| format!("{mount} x{times}")).collect()
}

fn links() -> Vec<String> {
    names_in("/sys/class/net").map(|name| format!("link {name}")).collect()
}

/// The groups below all hierarchies that have a name of ours, at any depth.
fn cgroups() -> Vec<String> {
    let mut groups = Vec::new();
    let mut left: Vec<_> = cgroup_mounts();
    while let Some(dir) = left.pop() {
        for name in directories_in(&dir) {
            let path = format!("{dir}/{name}");
            if OUR_NAMES.iter().any(|ours| path.contains(&format!("/{ours}"))) {
                groups.push(format!("cgroup {path}"));
            }
            left.push(path);
        }
    }
    groups
}

fn cgroup_mounts() -> Vec<String> {
    let mountinfo = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    mountinfo
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .filter_map(|line| Some(line.split(' ').nth(4)?.to_owned()))
        .collect()
}

/// What each group hands down to those below it, where cgroup v2 is: `handed down cpu by PATH`.
fn handed_down(mounts: &[String]) -> Vec<String> {
    let mut down = Vec::new();
    let mut left = mounts.to_vec();
    while let Some(dir) = left.pop() {
        let Ok(words) = fs::read_to_string(format!("{dir}/cgroup.subtree_control")) else {
            continue;
        };
        down.extend(words.split_whitespace().map(|word| format!("{HANDED_DOWN} {word} by {dir}")));
        left.extend(directories_in(&dir).map(|name| format!("{dir}/{name}")));
    }
    down
}

fn files() -> Vec<String> {
    let ours = |name: &String| {
        let name = name.trim_start_matches('.');
        OUR_NAMES.iter().any(|ours| name.starts_with(ours))
    };
    let home = std::env::var("HOME").map(|home| format!("{home}/.local/share"));
    let dirs = FILES.map(str::to_owned).into_iter().chain(home);
    dirs.flat_map(|dir| names_in(&dir).filter(ours).map(move |name| format!("file {dir}/{name}")))
        // Other runs of this process have theirs, which their owner removes.
        .filter(|file| !file.contains(&format!("/unboxed-stage.{}.", id())))
        .filter(|file| !file.ends_with("/unboxed-kernels"))
        .collect()
}

/// The processes of the running test, and those with a name of ours that belong to nobody: no
/// test's mark, and adopted by PID 1.
fn processes() -> Vec<String> {
    let all = process::all();
    let own = own_mark();
    all.values()
        .filter(|process| process.pid != id().cast_signed())
        .filter_map(|process| {
            let is_ours = || OUR_NAMES.iter().any(|name| process.name.starts_with(name));
            let kind = match process::mark(&all, process.pid) {
                Some(mark) => (mark == own).then_some("process"),
                None => (process.parent == 1 && is_ours()).then_some(STRAY),
            }?;
            Some(format!("{kind} {} ({})", process.name, process.pid))
        })
        .collect()
}

fn names_in(dir: &str) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn directories_in(dir: &str) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(things: &[&str]) -> Host {
        Host(things.iter().map(|&thing| thing.to_owned()).collect())
    }

    #[test]
    fn what_is_new_or_gone_is_named() {
        let before = host(&["mount / ext4 x1", "link lo"]);
        let after = host(&["mount / ext4 x1", "link veth0"]);
        assert_eq!(before.difference(&after), ["+ link veth0", "- link lo"]);
    }

    #[test]
    fn a_controller_that_stays_enabled_is_a_leak_and_one_that_goes_is_none() {
        let top = tempfile::tempdir().unwrap();
        let below = top.path().join("user.slice");
        fs::create_dir(&below).unwrap();
        fs::write(top.path().join("cgroup.subtree_control"), "cpu pids\n").unwrap();
        fs::write(below.join("cgroup.subtree_control"), "pids\n").unwrap();
        let top = top.path().display().to_string();
        let seen = handed_down(std::slice::from_ref(&top));
        let expected = [("cpu", ""), ("pids", ""), ("pids", "/user.slice")];
        let expected = expected.map(|(name, group)| format!("handed down {name} by {top}{group}"));
        assert_eq!(seen, expected);
        let seen = Host(seen.into_iter().collect());
        assert_eq!(host(&[]).difference(&seen), expected.map(|it| format!("+ {it}")));
        assert!(seen.difference(&host(&[])).is_empty());
    }

    #[test]
    fn another_tests_group_may_go() {
        let before = host(&["cgroup /sys/fs/cgroup/pids/lab-02-99999999"]);
        assert!(before.difference(&host(&[])).is_empty());
    }

    #[test]
    fn a_group_is_a_leak_only_when_its_maker_is_dead() {
        let parent = std::os::unix::process::parent_id();
        let alive = format!("cgroup /sys/fs/cgroup/pids/lab-02-{parent}");
        assert!(host(&[]).difference(&host(&[&alive])).is_empty());
        let dead = "cgroup /sys/fs/cgroup/pids/lab-02-99999999";
        assert_eq!(host(&[]).difference(&host(&[dead])), [format!("+ {dead}")]);
    }
}
