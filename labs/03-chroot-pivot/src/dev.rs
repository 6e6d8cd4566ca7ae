//! A minimal /dev: six device nodes, terminals, shared memory and a few links.
//!
//! The host's /dev would hand its disks to the container. Programs expect surprisingly little:
//! the OCI runtime specification lists what every container gets ("Default Devices", "/dev symbolic
//! links" in config-linux.md and runtime-linux.md). See null(4), random(4), tty(4), pts(4).

use std::{ffi::CString, path::Path};

use ground::{Result, Step};

use crate::{CreateFile, Mkdir, Mknod, Mount, MsFlags, NodeKind, Symlink, Umask, c_path};

/// The default devices: name and number (major, minor), all character devices of mode 0666.
pub const NODES: [(&str, (u32, u32)); 6] = [
    ("null", (1, 3)),
    ("zero", (1, 5)),
    ("full", (1, 7)),
    ("random", (1, 8)),
    ("urandom", (1, 9)),
    ("tty", (5, 0)),
];

/// The default links: name and what it reads.
pub const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Where device nodes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// Made by mknod(2); needs CAP_MKNOD in the initial user namespace.
    Made,
    /// The host's own nodes, bound over empty files: the way of every rootless container.
    Bound,
}

impl Nodes {
    /// What the calling process can do: make them as root of the initial user namespace, which maps
    /// all ids to themselves; elsewhere only bind them.
    pub fn here() -> Self {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let initial = map.split_whitespace().eq(["0", "0", "4294967295"]);
        if initial && nix::unistd::geteuid().is_root() { Self::Made } else { Self::Bound }
    }
}

/// The group `tty`, 5 by convention, if it is mapped in the caller's user namespace.
pub fn tty_gid() -> Option<u32> {
    let map = std::fs::read_to_string("/proc/self/gid_map").ok()?;
    let mapped = map.lines().any(|line| {
        let numbers: Vec<u32> = line.split_whitespace().flat_map(str::parse).collect();
        let [inside, _outside, count] = numbers[..] else { return false };
        (inside..inside.saturating_add(count)).contains(&TTY)
    });
    mapped.then_some(TTY)
}

const TTY: u32 = 5;

/// All of /dev, on the directory `dev` as it is named when the steps run: a tmpfs with pts, shm,
/// nodes and links. Needs a visible host /dev when the nodes are bound, so run it before the old
/// root is gone; it ends with the mount.
///
/// `tty_gid` owns the terminals (5 by convention); none where that group is not mapped.
///
/// # Errors
/// Only for a path with a NUL byte.
pub fn steps(dev: &Path, nodes: Nodes, tty_gid: Option<u32>) -> Result<Vec<Box<dyn Step>>> {
    let mut steps: Vec<Box<dyn Step>> = vec![Box::new(
        Mount::tmpfs(c_path(dev)?, c"mode=755,size=64k")
            .flags(MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME)
            .why("an empty /dev: the host's would hand its disks over"),
    )];
    steps.extend(file_systems(dev, tty_gid)?);
    steps.push(Box::new(Umask(0)));
    for (name, number) in NODES {
        steps.extend(node(dev, name, number, nodes)?);
    }
    steps.push(Box::new(Umask(0o022)));
    steps.extend(links(dev)?);
    Ok(steps)
}

/// /dev/pts and /dev/shm.
///
/// # Errors
/// Only for a path with a NUL byte.
pub fn file_systems(dev: &Path, tty_gid: Option<u32>) -> Result<Vec<Box<dyn Step>>> {
    let (pts, shm) = (c_path(dev.join("pts"))?, c_path(dev.join("shm"))?);
    let gid = tty_gid.map_or(String::new(), |gid| format!(",gid={gid}"));
    let options = c_path(format!("newinstance,ptmxmode=0666,mode=0620{gid}"))?;
    Ok(vec![
        Box::new(Mkdir::new(pts.clone(), 0o755, "the mount point for terminals")),
        Box::new(Mount::devpts(pts, options)),
        Box::new(Mkdir::new(shm.clone(), 0o755, "the mount point for shared memory")),
        Box::new(
            Mount::tmpfs(shm, c"mode=1777,size=65536k").why("shm_open(3) wants memory, not a disk"),
        ),
    ])
}

/// One character device of mode 0666, made or bound.
///
/// # Errors
/// Only for a path with a NUL byte.
pub fn node(
    dev: &Path,
    name: &str,
    number: (u32, u32),
    nodes: Nodes,
) -> Result<Vec<Box<dyn Step>>> {
    let path = c_path(dev.join(name))?;
    Ok(match nodes {
        Nodes::Made => vec![Box::new(Mknod::new(path, NodeKind::Char, 0o666, number))],
        Nodes::Bound => vec![
            Box::new(CreateFile::new(
                path.clone(),
                0o666,
                "a mount point for a device is any file",
            )),
            Box::new(
                Mount::bind(c_path(Path::new("/dev").join(name))?, path)
                    .why("mknod is refused in a user namespace: the host's node is shown instead"),
            ),
        ],
    })
}

/// The links of [`LINKS`].
///
/// # Errors
/// Only for a path with a NUL byte.
pub fn links(dev: &Path) -> Result<Vec<Box<dyn Step>>> {
    LINKS.into_iter().map(|(name, target)| link(dev, name, target)).collect()
}

fn link(dev: &Path, name: &str, target: &str) -> Result<Box<dyn Step>> {
    let why = match name {
        "ptmx" => "opening it makes a terminal in the devpts that lies beside it",
        _ => "programs name their own descriptors through it",
    };
    let target: CString = c_path(target)?;
    Ok(Box::new(Symlink::new(target, c_path(dev.join(name))?, why)))
}
