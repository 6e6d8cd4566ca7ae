//! Mounts: what a container sees besides its image.

use std::path::{Path, PathBuf};

use oci::runtime::Mount;

use super::{Found, devices};
use crate::{
    container::{self, IpcMode, Network, Options, PidMode, Record, Source},
    layout::Layout,
};

/// Everything in the order in which it is mounted: file systems of the kernel, devices that are
/// bound, the three files of /etc, and what was asked for. A longer path comes after the shorter
/// one that it is in.
pub fn mounts(record: &Record, layout: &Layout, found: &Found) -> Vec<Mount> {
    let asked = || record.options.mounts.iter().enumerate();
    let is_asked = |path: &str| asked().any(|(_, mount)| mount.destination == Path::new(path));
    let mut mounts = kernel(record, layout, found);
    // Who mounts something there means it instead.
    mounts.retain(|mount| !is_asked(&mount.destination));
    mounts.extend(devices::bound(found));
    mounts.extend(etc(record, layout).into_iter().filter(|it| !is_asked(&it.destination)));
    mounts.extend(record.options.init.then(init));
    let mut asked: Vec<_> = asked().collect();
    asked.sort_by_key(|(_, mount)| mount.destination.components().count());
    mounts.extend(asked.into_iter().map(|(index, mount)| {
        let taken = layout.container(&record.id).taken(index);
        asked_for(mount, layout, &taken)
    }));
    mounts
}

/// Mounts spread into a container only if its root lets them (mount_namespaces(7)).
pub fn root_propagation(options: &Options) -> Option<String> {
    let any = |kind: &str| {
        options
            .mounts
            .iter()
            .any(|it| it.propagation.as_deref().is_some_and(|it| it.ends_with(kind)))
    };
    match (any("shared"), any("slave")) {
        (true, _) => Some("rshared".into()),
        (false, true) => Some("rslave".into()),
        (false, false) => None,
    }
}

fn kernel(record: &Record, layout: &Layout, found: &Found) -> Vec<Mount> {
    let options = &record.options;
    // Group 5 is tty on every distribution; an id that is not mapped is EINVAL.
    let devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let devpts = &devpts[..if found.mapped.has_gid(5) { 6 } else { 5 }];
    let access = if options.security.privileged { "rw" } else { "ro" };
    let inert = ["nosuid", "noexec", "nodev"];
    let with = |rest: &[&'static str]| [inert.as_slice(), rest].concat();
    // Each of these shows a namespace; whoever does not own that may only show it again.
    let again = |shared: bool| shared && !found.mapped.is_all();
    let sys = match again(options.network == Network::Host) {
        true => mount("/sys", "bind", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]),
        false => mount("/sys", "sysfs", "sysfs", &with(&[access])),
    };
    let proc = match again(options.namespaces.pid == PidMode::Host) {
        true => mount("/proc", "bind", "/proc", &["rbind", "nosuid", "noexec", "nodev"]),
        false => mount("/proc", "proc", "proc", &inert),
    };
    let mut mounts = vec![
        proc,
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", devpts),
        sys,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &with(&[access])),
    ];
    let queues = match again(options.namespaces.ipc == IpcMode::Host) {
        // Whose machine does not show its queues, sees none.
        true => found.queues.then(|| bind("/dev/mqueue", "/dev/mqueue")),
        false => Some(mount("/dev/mqueue", "mqueue", "mqueue", &inert)),
    };
    mounts.extend(queues.into_iter().chain(shared_memory(record, layout, &inert)));
    mounts
}

fn bind(path: &str, source: &str) -> Mount {
    mount(path, "bind", source, &["rbind", "rprivate", "nosuid", "noexec", "nodev"])
}

/// /dev/shm: the directory through which memory is shared by those of one IPC namespace.
fn shared_memory(record: &Record, layout: &Layout, inert: &[&str]) -> Option<Mount> {
    let size = record.options.shm_size.unwrap_or(64 << 20);
    let own = || {
        let mut mount = mount("/dev/shm", "tmpfs", "shm", inert);
        mount.options.extend(["mode=1777".to_owned(), format!("size={size}")]);
        mount
    };
    match &record.options.namespaces.ipc {
        IpcMode::Private | IpcMode::Shareable => Some(own()),
        IpcMode::None => None,
        IpcMode::Host => Some(bind("/dev/shm", "/dev/shm")),
        IpcMode::Container(_) => {
            let shm = layout.container(&record.id).taken_shm();
            Some(bind("/dev/shm", &shm.display().to_string()))
        }
    }
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

fn asked_for(asked: &container::Mount, layout: &Layout, taken: &Path) -> Mount {
    let destination = asked.destination.display().to_string();
    let access = if asked.read_only { "ro" } else { "rw" };
    let bind = if asked.not_recursive { "bind" } else { "rbind" };
    let propagation = asked.propagation.as_deref().unwrap_or("rprivate");
    let bind = |source: &Path| {
        let source = source.display().to_string();
        mount(&destination, "bind", &source, &[bind, propagation, access])
    };
    match &asked.source {
        // It was taken along before the mounts of the monitor became private.
        Source::Bind(_) if asked.spreads() => bind(taken),
        Source::Bind(path) => bind(path),
        Source::Volume { name, .. } => {
            let data = layout.volume_data(name);
            bind(&asked.subpath.as_ref().map_or(data.clone(), |below| data.join(below)))
        }
        Source::Tmpfs(options) => {
            let mut mount = mount(&destination, "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
            mount.options.extend(options.iter().cloned());
            mount.options.extend(asked.read_only.then(|| "ro".to_owned()));
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
