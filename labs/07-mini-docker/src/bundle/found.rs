//! Found: what a bundle depends on besides the record, looked up once.
//!
//! The numbers of a device, the host's name, the PID of a container whose namespace is shared: all of
//! it is the machine's, and may be another at the next start. With this in hand the spec is a pure
//! function.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use oci::runtime::Device;

use super::Account;
use crate::{
    container::{DeviceUse, Record},
    snapshot::Mapped,
};

/// What the machine says.
#[derive(Debug, Clone)]
pub struct Found {
    /// Who the program is.
    pub account: Account,
    /// Which ids this user namespace has.
    pub mapped: Mapped,
    /// The host's name.
    pub host_name: String,
    /// The host's devices that the container gets.
    pub devices: Vec<Node>,
    /// The numbers of the block devices that are limited.
    pub numbers: BTreeMap<PathBuf, (i64, i64)>,
    /// The first process of each container whose namespaces are shared, by ID.
    pub joined: BTreeMap<String, i32>,
    /// Whether SELinux reads labels.
    pub selinux: bool,
    /// Whether the machine shows its message queues, in /dev/mqueue (mq_overview(7)).
    pub queues: bool,
}

/// A device of the host, as the runtime is to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The node on the host.
    pub host: PathBuf,
    /// The node inside.
    pub device: Device,
    /// Letters out of `rwm`.
    pub access: String,
}

impl Found {
    /// For a plan that looks at no file.
    pub fn on_paper(mapped: Mapped) -> Self {
        Self {
            account: Account::root(),
            mapped,
            host_name: host_name(),
            devices: Vec::new(),
            numbers: BTreeMap::new(),
            joined: BTreeMap::new(),
            selinux: false,
            queues: true,
        }
    }

    /// For a container that is about to start.
    ///
    /// # Errors
    /// A device that is not there.
    pub fn here(record: &Record, account: Account, joined: BTreeMap<String, i32>) -> Result<Self> {
        let mapped = Mapped::here();
        let mut found = Self { account, joined, ..Self::on_paper(mapped) };
        found.look(record)?;
        found.selinux = Path::new("/sys/fs/selinux/enforce").exists();
        found.queues = Path::new("/dev/mqueue").exists();
        Ok(found)
    }

    /// Looks at the devices; needs no privilege.
    ///
    /// # Errors
    /// A device that is not there.
    pub fn look(&mut self, record: &Record) -> Result<()> {
        let options = &record.options;
        if options.security.privileged && self.mapped.is_all() {
            self.devices = all_devices(Path::new("/dev"), Path::new("/dev"), "rwm");
        }
        for wanted in &options.devices {
            let nodes = nodes(wanted)?;
            self.devices.retain(|old| nodes.iter().all(|new| new.device.path != old.device.path));
            self.devices.extend(nodes);
        }
        let io = &options.limits.block_io;
        let rates = [&io.weight_device, &io.read_bps, &io.write_bps, &io.read_iops, &io.write_iops];
        for rate in rates.into_iter().flatten() {
            self.numbers.insert(rate.device.clone(), block_number(&rate.device)?);
        }
        Ok(())
    }
}

fn host_name() -> String {
    let name = nix::unistd::gethostname().ok();
    name.and_then(|name| name.into_string().ok()).unwrap_or_else(|| "localhost".into())
}

/// The node, or those of a whole directory.
fn nodes(wanted: &DeviceUse) -> Result<Vec<Node>> {
    let missing = |error: io::Error| {
        Error::new(format!(
            "error gathering device information while adding custom device \"{}\"",
            wanted.host.display()
        ))
        .io("stat", &error)
        .fix("look for its name on this machine: ls -l /dev")
    };
    let metadata = fs::metadata(&wanted.host).map_err(missing)?;
    if metadata.is_dir() {
        return Ok(all_devices(&wanted.host, &wanted.inside, &wanted.access));
    }
    match node(&wanted.host, &wanted.inside, &wanted.access) {
        Some(node) => Ok(vec![node]),
        None => Err(Error::new(format!(
            "error gathering device information while adding custom device \"{}\"",
            wanted.host.display()
        ))
        .why("not a device node")
        .fix(format!(
            "show a file with -v {0}:{1}",
            wanted.host.display(),
            wanted.inside.display()
        ))),
    }
}

fn node(host: &Path, inside: &Path, access: &str) -> Option<Node> {
    let metadata = fs::metadata(host).ok()?;
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => "c",
        kind if kind.is_block_device() => "b",
        _ => return None,
    };
    let device = Device {
        kind: kind.to_owned(),
        path: inside.display().to_string(),
        major: i64::try_from(nix::sys::stat::major(metadata.rdev())).ok(),
        minor: i64::try_from(nix::sys::stat::minor(metadata.rdev())).ok(),
        file_mode: Some(metadata.mode() & 0o7777),
        uid: Some(metadata.uid()),
        gid: Some(metadata.gid()),
    };
    Some(Node { host: host.to_owned(), device, access: access.to_owned() })
}

/// What is not a device of the machine but a terminal, a file system or a link to the reader.
const NOT_THE_MACHINES: [&str; 8] =
    ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"];

/// All nodes below a directory. One that goes away meanwhile is left out.
fn all_devices(directory: &Path, inside: &Path, access: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        let below = inside.join(&name);
        if NOT_THE_MACHINES.iter().any(|other| name == *other) || kind.is_symlink() {
            continue;
        }
        match kind.is_dir() {
            true => nodes.extend(all_devices(&path, &below, access)),
            false => nodes.extend(node(&path, &below, access)),
        }
    }
    nodes.sort_by(|a, b| a.device.path.cmp(&b.device.path));
    nodes
}

fn block_number(path: &Path) -> Result<(i64, i64)> {
    let found = node(path, path, "rwm").filter(|node| node.device.kind == "b");
    let number = found.and_then(|node| node.device.major.zip(node.device.minor));
    number.ok_or_else(|| {
        Error::new(format!("cannot limit the device {}", path.display()))
            .why("there is no block device of that name")
            .fix("lsblk -p shows them")
    })
}
