//! info: what this engine is, and what of the machine it rests on.

use std::{collections::BTreeMap, fs, path::PathBuf};

use cgroups::{Hierarchies, Mode};
use serde::Serialize;

use super::{Engine, Result, stats::machine_memory};
use crate::{container::Status, runtime};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `docker info` knows, as far as there is such a thing without a daemon.
///
/// Source: Docker Engine API v1.47, SystemInfo.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// Containers in this store.
    pub containers: usize,
    /// Those that run.
    pub containers_running: usize,
    /// Those that stand still.
    pub containers_paused: usize,
    /// All others.
    pub containers_stopped: usize,
    /// Images in this store.
    pub images: usize,
    /// How layers are put together.
    pub driver: &'static str,
    /// Name and value of what is to say about that.
    pub driver_status: Vec<[String; 2]>,
    /// Where output of containers goes.
    pub logging_driver: &'static str,
    /// Who makes control groups.
    pub cgroup_driver: &'static str,
    /// 1 or 2.
    pub cgroup_version: &'static str,
    /// The kernel.
    pub kernel_version: String,
    /// The distribution.
    pub operating_system: String,
    /// Its version.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    /// Always linux.
    #[serde(rename = "OSType")]
    pub os_type: &'static str,
    /// The processor, in uname's word.
    pub architecture: &'static str,
    /// Processors.
    #[serde(rename = "NCPU")]
    pub ncpu: usize,
    /// Bytes of memory.
    pub mem_total: u64,
    /// Where everything lies.
    pub docker_root_dir: PathBuf,
    /// The machine.
    pub name: String,
    /// This program.
    pub server_version: &'static str,
    /// The low-level runtimes that are here, by name.
    pub runtimes: BTreeMap<&'static str, RuntimePath>,
    /// The one that is used where none is named.
    pub default_runtime: &'static str,
    /// What keeps containers in.
    pub security_options: Vec<String>,
    /// What somebody should know.
    pub warnings: Vec<String>,
}

/// Where a runtime is.
#[derive(Debug, Clone, Serialize)]
pub struct RuntimePath {
    /// The program.
    pub path: PathBuf,
}

impl Engine {
    /// What this engine is, and what it rests on.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn info(&self) -> Result<Info> {
        let containers = self.ps(true)?;
        let count = |wanted: &str| {
            containers.iter().filter(|it| it.record.state.status.as_str() == wanted).count()
        };
        let (running, paused) = (count(Status::Running.as_str()), count("paused"));
        let uname = nix::sys::utsname::uname().ok();
        let text = |text: Option<&std::ffi::OsStr>| {
            text.map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Ok(Info {
            containers: containers.len(),
            containers_running: running,
            containers_paused: paused,
            containers_stopped: containers.len() - running - paused,
            images: self.store.images()?.len(),
            driver: "overlay2",
            driver_status: vec![["Backing Filesystem".into(), self.backing()]],
            logging_driver: "json-file",
            cgroup_driver: "cgroupfs",
            cgroup_version: cgroup_version(),
            kernel_version: text(uname.as_ref().map(|it| it.release())),
            operating_system: os_release("PRETTY_NAME"),
            os_version: os_release("VERSION_ID"),
            os_type: "linux",
            architecture: std::env::consts::ARCH,
            ncpu: std::thread::available_parallelism().map_or(1, usize::from),
            mem_total: machine_memory().unwrap_or(0),
            docker_root_dir: self.layout.root().to_owned(),
            name: text(uname.as_ref().map(|it| it.nodename())),
            server_version: VERSION,
            runtimes: runtimes(),
            default_runtime: runtime::OWN_NAME,
            security_options: security_options(),
            warnings: Vec::new(),
        })
    }

    /// The file system that the store lies on (statfs(2)).
    fn backing(&self) -> String {
        use nix::sys::statfs::{
            BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
            XFS_SUPER_MAGIC, statfs,
        };
        let Ok(kind) = statfs(self.layout.root()).map(|it| it.filesystem_type()) else {
            return "<unknown>".into();
        };
        let known = [
            (EXT4_SUPER_MAGIC, "extfs"),
            (XFS_SUPER_MAGIC, "xfs"),
            (BTRFS_SUPER_MAGIC, "btrfs"),
            (TMPFS_MAGIC, "tmpfs"),
            (OVERLAYFS_SUPER_MAGIC, "overlayfs"),
        ];
        let found = known.iter().find(|(magic, _)| *magic == kind);
        found.map_or("<unknown>", |(_, name)| *name).into()
    }
}

fn cgroup_version() -> &'static str {
    match Hierarchies::of_this_process().map(|it| it.mode()) {
        Ok(Mode::V2) => "2",
        _ => "1",
    }
}

/// A value of os-release(5).
fn os_release(name: &str) -> String {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"').to_owned()
}

/// Our own and the others that are in PATH.
fn runtimes() -> BTreeMap<&'static str, RuntimePath> {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = ["runc", "crun", "youki"].into_iter().filter_map(|name| {
        let path =
            std::env::split_paths(&dirs).map(|dir| dir.join(name)).find(|it| it.is_file())?;
        Some((name, RuntimePath { path }))
    });
    let own = (runtime::OWN_NAME, RuntimePath { path: runtime::OURSELVES.into() });
    found.chain([own]).collect()
}

fn security_options() -> Vec<String> {
    let mut options = Vec::new();
    if fs::exists("/sys/kernel/security/apparmor").unwrap_or(false) {
        options.push("name=apparmor".to_owned());
    }
    options.push("name=seccomp,profile=builtin".to_owned());
    if !nix::unistd::geteuid().is_root() {
        options.push("name=rootless".to_owned());
    }
    if cgroup_version() == "2" {
        options.push("name=cgroupns".to_owned());
    }
    options
}
