//! What a test needs of the machine; without it the test says so and is skipped, but never in CI.

use std::{
    env, fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use nix::unistd::geteuid;

use crate::{
    Place,
    place::{guest_program, machine_is_pure_v2},
};

/// A property of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The effective uid is 0.
    Root,
    /// An ordinary user may make a user namespace.
    UserNs,
    /// cgroup v1 has a hierarchy with this controller.
    CgroupV1(&'static str),
    /// cgroup v2 is all there is.
    CgroupV2,
    /// A program on the path.
    Program(&'static str),
    /// A kernel for `tests/guest/run` is here.
    Guest,
    /// newuidmap(1) and newgidmap(1).
    NewUidMap,
    /// A namespace kind, by its name below /proc/self/ns.
    Namespace(&'static str),
    /// A file system in /proc/filesystems.
    FileSystem(&'static str),
    /// All that this place needs.
    In(Place),
    /// The machine that snapshots of this place were taken on, or one like it: mounts, controllers
    /// and what programs are made of differ elsewhere. A guest is the same everywhere.
    SnapshotsOf(Place),
}

impl Need {
    /// Why it is not met, if so.
    pub fn missing(self) -> Option<String> {
        let (met, reason) = match self {
            Self::Root => (geteuid().is_root(), "needs root".to_owned()),
            Self::UserNs => (user_namespaces(), "no user namespaces for users".to_owned()),
            Self::CgroupV1(controller) => {
                (v1_has(controller), format!("no cgroup v1 hierarchy with {controller}"))
            }
            Self::CgroupV2 => (machine_is_pure_v2(), "cgroup v2 is not all there is".to_owned()),
            Self::Program(name) => (on_path(name), format!("no program {name}")),
            Self::Guest => (guest_kernel(), "no guest kernel; run tests/guest/fetch-kernel".into()),
            Self::NewUidMap => {
                (on_path("newuidmap") && on_path("newgidmap"), "no newuidmap (uidmap)".to_owned())
            }
            Self::Namespace(kind) => {
                (Path::new("/proc/self/ns").join(kind).exists(), format!("no {kind} namespaces"))
            }
            Self::FileSystem(name) => (file_system(name), format!("no file system {name}")),
            Self::SnapshotsOf(place) => (
                place.is_guest() || (is_debian_12() && !machine_is_pure_v2()),
                "ran well; its text is compared on Debian 12 with cgroup v1".to_owned(),
            ),
            Self::In(place) => return place.missing().map(|why| format!("{place:?}: {why}")),
        };
        (!met).then_some(reason)
    }
}

/// Says that the running test is skipped and why; the caller returns.
///
/// The line goes past the harness, which would show it only for a test that fails.
///
/// # Panics
/// With `LABS_MUST_RUN=1`: on the machine that must run everything, a skip is a failure.
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("test").to_owned();
    let must_run = env::var_os("LABS_MUST_RUN").is_some_and(|value| value == "1");
    assert!(!must_run, "{test} must run here, but: {reason}");
    let line = format!("SKIP {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = env::var_os("UNBOXED_SKIPS") {
        let mut file =
            fs::File::options().create(true).append(true).open(path).expect("the file of skips");
        file.write_all(line.as_bytes()).expect("the file of skips");
    }
}

fn is_debian_12() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "VERSION_CODENAME=bookworm")
}

fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(name).is_file())
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn user_namespaces() -> bool {
    let make_one = ["unshare", "--user", "--map-root-user", "true"];
    if geteuid().is_root() {
        let drop = ["--reuid", "54321", "--regid", "54321", "--clear-groups"];
        return succeeds(Command::new("setpriv").args(drop).args(make_one));
    }
    succeeds(Command::new(make_one[0]).args(&make_one[1..]))
}

fn v1_has(controller: &str) -> bool {
    // 4:memory:/path, with an empty second field for v2 (cgroups(7)).
    fs::read_to_string("/proc/self/cgroup")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split(':').nth(1))
        .any(|controllers| controllers.split(',').any(|name| name == controller))
}

fn file_system(name: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.split_whitespace().any(|word| word == name)
}

fn guest_kernel() -> bool {
    on_path("modprobe") && succeeds(Command::new(guest_program("fetch-kernel")).arg("-n"))
}
