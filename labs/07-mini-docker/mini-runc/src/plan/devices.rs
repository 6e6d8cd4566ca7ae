//! Devices: the six that every container has, those that config.json adds, and four links.
//!
//! The host's /dev would hand its disks over. Whether a process may *open* a node is another
//! question, which the devices controller answers.
//!
//! Source: runtime specification, config-linux.md, "Default Devices", "Devices"; runtime-linux.md,
//! "Dev symbolic links".

use ground::{Errno, Error, Explanation, Result, Step};
use oci::runtime::Device;
use rootfs::{Mknod, Mount, NodeKind, Symlink, Umask, c_path, dev};

use super::{
    Context, Steps,
    files::Chown,
    target::{At, Target, Wanted},
};

/// Where nodes are made: not when /dev is the host's own, bound.
///
/// # Errors
/// A device of an unknown type or without numbers.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    if dev_is_bound(context) {
        return Ok(());
    }
    steps.add("lab-03", Umask(0));
    for device in devices(context) {
        node(context, &device, steps)?;
    }
    steps.add("lab-03", Umask(0o022));
    for (name, target) in dev::LINKS {
        let link = c_path(format!("{}/{name}", context.slot.path()))?;
        let step = Symlink::new(c_path(target)?, link, "programs expect this name");
        let target = Target::new("/dev")?;
        steps.add("lab-03", At { target, wanted: Wanted::Directory, slot: context.slot, step });
    }
    Ok(())
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
    defaults.filter(|device| !is_asked(device)).chain(asked.iter().cloned()).collect()
}

fn node(context: &Context<'_>, device: &Device, steps: &mut Steps) -> Result<()> {
    let slot = context.slot;
    if context.in_user_namespace() {
        let step = Mount::bind(c_path(&device.path)?, c_path(slot.path())?)
            .why("mknod is refused in a user namespace: the host's node is shown instead");
        let target = Target::new(&device.path)?;
        steps.add("lab-06", At { target, wanted: Wanted::File, slot, step });
        return Ok(());
    }
    let (parent, name) = device.path.rsplit_once('/').ok_or_else(|| invalid(device, "path"))?;
    let path = c_path(format!("{}/{name}", slot.path()))?;
    let at = |target| (target, Wanted::Directory);
    let (target, wanted) = at(Target::new(parent)?);
    let mode = device.file_mode.unwrap_or(0o666) & 0o7777;
    let step = ThereAlready(Mknod::new(path.clone(), kind_of(device)?, mode, number(device)?));
    steps.add("lab-03", At { target: target.clone(), wanted, slot, step });
    if let (uid, gid) = (device.uid.unwrap_or(0), device.gid.unwrap_or(0))
        && (uid, gid) != (0, 0)
    {
        steps.add("lab-03", At { target, wanted, slot, step: Chown::new(path, uid, gid) });
    }
    Ok(())
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
        .why(format!("its entry in linux.devices of config.json lacks a valid {missing}"))
        .see("2 mknod")
}

/// A node that the image brought along stays.
#[derive(Debug)]
struct ThereAlready(Mknod);

impl Step for ThereAlready {
    fn run(&self) -> std::result::Result<(), Errno> {
        match self.0.run() {
            Err(Errno::EEXIST) => Ok(()),
            made => made,
        }
    }

    fn explain(&self) -> Explanation {
        self.0.explain()
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        self.0.fix(errno)
    }
}
