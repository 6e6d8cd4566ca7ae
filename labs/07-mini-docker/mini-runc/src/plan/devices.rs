//! Devices: the nodes that every container has, those that config.json adds, and four links.
//!
//! The host's /dev would hand its disks over. Whether a process may *open* a node is another
//! question, which the devices controller answers.
//!
//! Source: runtime specification, config-linux.md, "Default Devices", "Devices"; runtime-linux.md,
//! "Dev symbolic links".

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use ground::{Error, Result};
use oci::runtime::Device;
use rootfs::{NodeKind, Reach, c_path, dev};
use volumes::{Inside, LinkInside, MountInside, NodeInside, Wanted, What};

use super::{Context, Steps, over_proc::not_in_procfs};

/// Where nodes are made: not when /dev is the host's own, bound.
///
/// # Errors
/// A device of an unknown type or without numbers.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    for (index, device) in context.linux.devices.iter().enumerate() {
        check(device).map_err(|error| at_index(error, index))?;
    }
    if dev_is_bound(context) {
        return Ok(());
    }
    for device in devices(context) {
        node(context, &device, steps)?;
    }
    for (name, target) in dev::LINKS {
        let link = LinkInside::here(&format!("/dev/{name}"), target, "programs expect this name")?;
        steps.add("lab-06", link);
    }
    Ok(())
}

/// Says which entry of config.json an error is about.
fn at_index(error: Error, index: usize) -> Error {
    let why = error.why.as_deref().unwrap_or_default();
    let why = format!("config.json, linux.devices[{index}]: {why}");
    error.why(why)
}

fn dev_is_bound(context: &Context<'_>) -> bool {
    context.spec.mounts.iter().any(|mount| {
        let bound = mount.kind.as_deref() == Some("bind")
            || mount.options.iter().any(|it| it == "bind" || it == "rbind");
        bound && mount.destination.trim_end_matches('/') == "/dev"
    })
}

/// The default devices, unless config.json has its own idea of one.
fn devices(context: &Context<'_>) -> Vec<Device> {
    let asked = &context.linux.devices;
    let defaults = dev::NODES.into_iter().map(|(name, (major, minor))| Device {
        kind: "c".to_owned(),
        path: format!("/dev/{name}"),
        major: Some(major.into()),
        minor: Some(minor.into()),
        file_mode: Some(0o666),
        uid: None,
        gid: None,
    });
    let is_asked = |device: &Device| asked.iter().any(|it| it.path == device.path);
    // /dev/ptmx is a link into the container's own devpts, whoever asks for the host's.
    let asked = asked.iter().filter(|it| it.path != "/dev/ptmx");
    defaults.filter(|device| !is_asked(device)).chain(asked.cloned()).collect()
}

/// The specification's sentence: type, path, and numbers unless it is a fifo.
fn check(device: &Device) -> Result<()> {
    kind_of(device)?;
    number(device)?;
    if device.path.starts_with('/') { Ok(()) } else { Err(invalid(device, "absolute path")) }
}

fn node(context: &Context<'_>, device: &Device, steps: &mut Steps) -> Result<()> {
    let (kind, number) = (kind_of(device)?, number(device)?);
    if context.in_user_namespace() && kind != NodeKind::Fifo {
        steps.add("lab-06", bound(context, device, (kind, number))?);
        return Ok(());
    }
    let mode = device.file_mode.unwrap_or(0o666) & 0o7777;
    let made = NodeInside::here(&device.path, kind, mode, number)?;
    steps.add("lab-06", made.owner(device.uid.unwrap_or(0), device.gid.unwrap_or(0)));
    Ok(())
}

/// The host's node, which must be the one that is meant.
fn bound(
    context: &Context<'_>,
    device: &Device,
    wanted: (NodeKind, (u32, u32)),
) -> Result<MountInside> {
    let host = Path::new(&device.path);
    if !context.told && !is_device(host, wanted) {
        return Err(Error::new(format!("cannot show the device {:?}", device.path))
            .why("a user namespace makes no nodes, and the machine has no such device at this path")
            .see("7 user_namespaces")
            .fix("make it on the host first (mknod), or leave it out of linux.devices"));
    }
    let what = What::Bind(c_path(host)?, Reach::One);
    Ok(MountInside::new(what, Inside::here(&device.path)?, Wanted::File)
        .judged_by(not_in_procfs)
        .why("mknod is refused in a user namespace: the host's node is shown instead"))
}

fn is_device(path: &Path, (kind, (major, minor)): (NodeKind, (u32, u32))) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = fs::metadata(path) else { return false };
    let is_kind = match kind {
        NodeKind::Block => metadata.file_type().is_block_device(),
        _ => metadata.file_type().is_char_device(),
    };
    let number = nix::sys::stat::makedev(major.into(), minor.into());
    is_kind && metadata.rdev() == number
}

fn kind_of(device: &Device) -> Result<NodeKind> {
    match device.kind.as_str() {
        "c" | "u" => Ok(NodeKind::Char),
        "b" => Ok(NodeKind::Block),
        "p" => Ok(NodeKind::Fifo),
        _ => Err(invalid(device, "type (c, b, u or p)")),
    }
}

fn number(device: &Device) -> Result<(u32, u32)> {
    if device.kind == "p" {
        return Ok((0, 0));
    }
    let part = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    part(device.major).zip(part(device.minor)).ok_or_else(|| invalid(device, "major and minor"))
}

fn invalid(device: &Device, missing: &str) -> Error {
    Error::new(format!("cannot make the device {:?}", device.path))
        .why(format!("the entry lacks a valid {missing}"))
        .see("2 mknod")
}
