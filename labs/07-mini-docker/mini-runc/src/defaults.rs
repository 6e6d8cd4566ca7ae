//! Defaults: what Docker gives a container unless told otherwise, and the bundle to start from.
//!
//! Source: moby's oci/defaults.go, oci/caps/defaults.go and profiles/seccomp/default.json;
//! runc-spec(8).

use oci::runtime::{
    Capabilities, IdMapping, Linux, Mount, Namespace, NamespaceKind, Process, Rlimit, Root,
    Seccomp, Spec,
};

/// The fourteen capabilities that root in a container has.
pub const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Paths that would show the host.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Paths that would change the host.
pub const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// PATH where an image names none.
pub const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The mounts that every container has.
pub fn mounts() -> Vec<Mount> {
    let mount = |destination: &str, kind: &str, options: &[&str]| Mount {
        destination: destination.to_owned(),
        source: Some(kind.to_owned()),
        kind: Some(kind.to_owned()),
        options: options.iter().map(|it| (*it).to_owned()).collect(),
        ..Mount::default()
    };
    vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]),
    ]
}

/// The capability sets of a root that has `names`.
pub fn capabilities(names: &[&str]) -> Capabilities {
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..Capabilities::default()
    }
}

/// Docker's default system call filter for a container with these capabilities: a list of calls
/// that are allowed, longer where a capability makes a call safe to give.
pub fn seccomp<S: AsRef<str>>(capabilities: &[S]) -> Seccomp {
    crate::seccomp::profile::docker_default(capabilities)
}

/// A filter of somebody's own, in the format of Docker's: with conditions on capabilities,
/// architectures and kernels, which config.json has not.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn seccomp_profile<S: AsRef<str>>(
    json: &serde_json::Value,
    capabilities: &[S],
) -> serde_json::Result<Seccomp> {
    crate::seccomp::profile::of_json(json, capabilities)
}

/// Docker's filter, compiled: an array of struct sock_filter as the kernel takes it, 8 bytes each.
///
/// # Errors
/// None: the profile is part of the program, and a test compiles it.
pub fn filter<S: AsRef<str>>(capabilities: &[S]) -> ground::Result<Vec<u8>> {
    crate::seccomp::compile(&seccomp(capabilities))
        .map(|program| crate::seccomp::to_bytes(&program))
}

/// What `mini-runc spec` writes: a shell in new namespaces, with runc's three capabilities.
pub fn spec() -> Spec {
    let namespaces = [
        NamespaceKind::Pid,
        NamespaceKind::Network,
        NamespaceKind::Ipc,
        NamespaceKind::Uts,
        NamespaceKind::Mount,
        NamespaceKind::Cgroup,
    ];
    let owned = |paths: &[&str]| paths.iter().map(|it| (*it).to_owned()).collect();
    Spec {
        oci_version: oci::runtime::VERSION.to_owned(),
        process: Some(shell()),
        root: Some(Root { path: "rootfs".to_owned(), readonly: true }),
        hostname: Some("mini-runc".to_owned()),
        mounts: mounts(),
        linux: Some(Linux {
            namespaces: namespaces.map(|kind| Namespace { kind, path: None }).into(),
            masked_paths: owned(&MASKED_PATHS),
            readonly_paths: owned(&READONLY_PATHS),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

/// The same for an ordinary user: a user namespace in which the caller is root, and nothing that
/// needs more than that.
pub fn rootless_spec() -> Spec {
    let mut spec = spec();
    let own = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
        linux.uid_mappings = own(nix::unistd::geteuid().as_raw());
        linux.gid_mappings = own(nix::unistd::getegid().as_raw());
    }
    spec
}

fn shell() -> Process {
    Process {
        terminal: true,
        args: vec!["sh".to_owned()],
        env: vec![PATH.to_owned(), "TERM=xterm".to_owned()],
        cwd: "/".to_owned(),
        capabilities: Some(capabilities(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"])),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    }
}
