//! A photo: what `/proc` says of a stopped process, from outside and at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use namespaces::{Id, Kind};
use nix::{
    sched::{CloneFlags, setns},
    unistd::{Pid, gethostname},
};
use rootfs::MountInfo;

/// What is read of a process as it is.
const FILES: [&str; 7] =
    ["uid_map", "gid_map", "setgroups", "cgroup", "cmdline", "net/dev", "net/route"];

/// A process as the kernel knows it.
#[derive(Debug, Clone, Default)]
pub struct Photo {
    /// Its namespaces, those of its kinds that this kernel has.
    pub namespaces: BTreeMap<Kind, u64>,
    /// Its mount table.
    pub mounts: Vec<MountInfo>,
    /// Where its `/` is, as we see it.
    pub root: PathBuf,
    /// Where it stands, as we see it.
    pub cwd: PathBuf,
    /// The lines of its status.
    pub status: BTreeMap<String, String>,
    /// `uid_map`, `gid_map`, `setgroups`, `cgroup` and what is said of its network, as they read.
    pub files: BTreeMap<&'static str, String>,
    /// Its open files, by number.
    pub open: BTreeMap<i32, PathBuf>,
    /// Its host name.
    pub host_name: String,
    /// Its program.
    pub program: PathBuf,
    /// What the files of the stage's control group said at that moment, where it has one.
    pub group: BTreeMap<&'static str, String>,
    /// What each overlay below /tmp shows it: names and the beginnings of texts.
    pub overlays: BTreeMap<PathBuf, BTreeMap<String, String>>,
}

impl Photo {
    /// Takes it. What cannot be seen is empty.
    pub fn of(pid: Pid) -> Self {
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let text = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let ids = Kind::ALL.into_iter().filter_map(|kind| Id::of(pid, kind).ok());
        let mounts = MountInfo::of(pid).unwrap_or_default();
        let files = FILES;
        Self {
            namespaces: ids.map(|id| (id.kind, id.ino)).collect(),
            group: group(),
            overlays: overlays(pid, &mounts),
            mounts,
            root: link("root"),
            cwd: link("cwd"),
            status: text("status").lines().filter_map(field).collect(),
            files: files.map(|name| (name, text(name))).into_iter().collect(),
            open: open_files(pid),
            host_name: host_name(pid).unwrap_or_default(),
            program: link("exe"),
        }
    }

    /// A line of its status, as `NSpid`.
    pub fn status(&self, name: &str) -> &str {
        self.status.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Its PIDs, from our namespace inwards.
    pub fn pids(&self) -> Vec<i32> {
        self.status("NSpid").split_whitespace().filter_map(|it| it.parse().ok()).collect()
    }

    /// The kinds in which it differs from another process.
    pub fn other_kinds(&self, other: &Self) -> Vec<Kind> {
        let kinds = self.namespaces.iter();
        kinds
            .filter(|(kind, ino)| other.namespaces.get(kind) != Some(ino))
            .map(|it| *it.0)
            .collect()
    }

    /// Its network interfaces, and the packets that each has received (man 5 proc_pid_net).
    pub fn interfaces(&self) -> BTreeMap<&str, u64> {
        // Two lines of headings.
        let lines = self.lines("net/dev").skip(2);
        lines
            .filter_map(|line| {
                let (name, counters) = line.split_once(':')?;
                Some((name.trim(), counters.split_whitespace().nth(1)?.parse().ok()?))
            })
            .collect()
    }

    /// The interfaces that it has routes through: they are switched on and have an address.
    pub fn routed(&self) -> BTreeSet<&str> {
        self.lines("net/route").skip(1).filter_map(|line| line.split('\t').next()).collect()
    }

    fn lines(&self, file: &str) -> std::str::Lines<'_> {
        self.files.get(file).map(String::as_str).unwrap_or_default().lines()
    }

    /// The topmost mount at a path.
    pub fn mount_at(&self, point: &str) -> Option<&MountInfo> {
        self.mounts.iter().rev().find(|mount| mount.point.as_os_str() == point)
    }
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}

fn open_files(pid: Pid) -> BTreeMap<i32, PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let open = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, fs::read_link(entry.path()).ok()?))
    });
    open.collect()
}

/// The files of a control group that a grader asks for, and the tree that each is in.
const GROUP_FILES: [(&str, &str); 11] = [
    ("pids", "pids.max"),
    ("pids", "cgroup.procs"),
    ("cpu", "cpu.max"),
    ("cpu", "cpu.stat"),
    ("cpu", "cpu.weight"),
    ("cpu", "cpu.shares"),
    ("cpu", "cpu.cfs_quota_us"),
    ("cpu", "cpu.cfs_period_us"),
    ("freezer", "freezer.state"),
    ("freezer", "cgroup.events"),
    ("memory", "memory.max"),
];

/// The directory of the stage's control group in the tree of a controller.
pub fn group_directory(controller: &str) -> Option<PathBuf> {
    std::env::var_os(format!("GROUP_{controller}")).map(PathBuf::from)
}

fn group() -> BTreeMap<&'static str, String> {
    let files = GROUP_FILES.into_iter().filter_map(|(controller, file)| {
        let text = fs::read_to_string(group_directory(controller)?.join(file)).ok()?;
        Some((file, text.trim().to_owned()))
    });
    files.collect()
}

/// So many names of an overlay are noted.
const MOST_NAMES: usize = 200;

fn overlays(pid: Pid, mounts: &[MountInfo]) -> BTreeMap<PathBuf, BTreeMap<String, String>> {
    let ours = mounts.iter().filter(|it| it.fstype == "overlay" && it.point.starts_with("/tmp"));
    let seen = ours.map(|mount| {
        let inside = mount.point.strip_prefix("/").unwrap_or(&mount.point);
        let mut files = BTreeMap::new();
        list(&Path::new(&format!("/proc/{pid}/root")).join(inside), "", &mut files);
        (mount.point.clone(), files)
    });
    seen.collect()
}

fn list(dir: &Path, before: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if files.len() >= MOST_NAMES {
            return;
        }
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            list(&entry.path(), &format!("{name}/"), files);
        } else {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            files.insert(name, text.chars().take(100).collect());
        }
    }
}

/// There is no file that tells it: whoever wants to know goes there. Only this thread does.
fn host_name(pid: Pid) -> Option<String> {
    let ours = fs::File::open("/proc/thread-self/ns/uts").ok()?;
    let theirs = fs::File::open(format!("/proc/{pid}/ns/uts")).ok()?;
    setns(&theirs, CloneFlags::CLONE_NEWUTS).ok()?;
    let name = gethostname();
    setns(&ours, CloneFlags::CLONE_NEWUTS).ok()?;
    Some(name.ok()?.to_string_lossy().into_owned())
}
