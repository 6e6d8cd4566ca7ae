//! Mounts: what a container sees besides its image.

use std::path::{Path, PathBuf};

use oci::runtime::Mount;

use crate::{
    container::{self, Network, Record, Source},
    layout::Layout,
    snapshot::Mapped,
};

/// Everything in the order in which it is mounted: file systems of the kernel, the three files of
/// /etc, and what was asked for. A longer path comes after the shorter one that it is in.
pub fn mounts(record: &Record, layout: &Layout, mapped: &Mapped) -> Vec<Mount> {
    let mut mounts = kernel(record, mapped);
    mounts.extend(etc(record, layout));
    mounts.extend(record.options.init.then(init));
    let mut asked: Vec<_> = record.options.mounts.iter().collect();
    asked.sort_by_key(|mount| mount.destination.components().count());
    mounts.extend(asked.into_iter().map(|mount| asked_for(mount, layout)));
    mounts
}

fn kernel(record: &Record, mapped: &Mapped) -> Vec<Mount> {
    let host_network = record.options.network == Network::Host;
    // Group 5 is tty on every distribution; an id that is not mapped is EINVAL.
    let devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let devpts = &devpts[..if mapped.has_gid(5) { 6 } else { 5 }];
    let access = if record.options.security.privileged { "rw" } else { "ro" };
    let inert = ["nosuid", "noexec", "nodev"];
    let with = |rest: &[&'static str]| [inert.as_slice(), rest].concat();
    let sys = match host_network && !mapped.is_all() {
        // sysfs shows a network namespace; whoever does not own that may only show it again.
        true => mount("/sys", "bind", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]),
        false => mount("/sys", "sysfs", "sysfs", &with(&[access])),
    };
    vec![
        mount("/proc", "proc", "proc", &inert),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", devpts),
        sys,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &with(&[access])),
        mount("/dev/mqueue", "mqueue", "mqueue", &inert),
        mount("/dev/shm", "tmpfs", "shm", &with(&["mode=1777", "size=67108864"])),
    ]
}

/// Where our own first program stands in a container, as in Docker.
pub const INIT: &str = "/sbin/docker-init";

/// The program that `--init` puts in front lies beside ours. Read-only: a container's root could
/// change it for all others.
fn init() -> Mount {
    let source = init_program().display().to_string();
    mount(INIT, "bind", &source, &["bind", "rprivate", "ro", "nosuid", "nodev"])
}

/// Where that program is on this machine.
pub fn init_program() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("mini-init")
}

fn etc(record: &Record, layout: &Layout) -> Vec<Mount> {
    // Who shares a network shares its names.
    let id = record.options.network.joined().unwrap_or(&record.id);
    let bundle = layout.container(id).bundle();
    ["resolv.conf", "hostname", "hosts"]
        .map(|name| {
            let source = bundle.join(name).display().to_string();
            mount(&format!("/etc/{name}"), "bind", &source, &["rbind", "rprivate"])
        })
        .into()
}

fn asked_for(asked: &container::Mount, layout: &Layout) -> Mount {
    let destination = asked.destination.display().to_string();
    let access = if asked.read_only { "ro" } else { "rw" };
    let bind = |source: &Path| {
        mount(&destination, "bind", &source.display().to_string(), &["rbind", "rprivate", access])
    };
    match &asked.source {
        Source::Bind(path) => bind(path),
        Source::Volume { name, .. } => bind(&layout.volume_data(name)),
        Source::Tmpfs(options) => {
            let mut mount = mount(&destination, "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
            mount.options.extend(options.iter().cloned());
            mount
        }
    }
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        source: Some(source.to_owned()),
        kind: Some(kind.to_owned()),
        options: options.iter().map(ToString::to_string).collect(),
        ..Mount::default()
    }
}
