//! Mounts: every entry of `mounts` becomes one step, which makes a mount, changes it, and attaches
//! it at a path inside.
//!
//! What a path leads to is decided by the kernel, inside, and held by a descriptor (lab 06); what
//! must never be covered is refused here in words, and by the step when a link leads there.
//!
//! Source: runtime specification, config.md, "Mounts"; mount(8), mount_setattr(2); runc's
//! checkProcMount.

use std::{ffi::CString, fs, path::PathBuf};

use ground::{Error, Result};
use oci::runtime::{self, NamespaceKind};
use rootfs::{Change, ChangeLater, FileSystem, Reach, c_path};
use volumes::{ChangeInside, Inside, MountInside, Wanted, What};

use super::{Context, Steps, mount_options::Options, over_proc, sources::Sources};

/// The steps of all entries, in the order of the file: a later mount may lie below an earlier one.
/// What comes back is done when everything is in its place: a tmpfs that is to be read-only gets
/// its mount points first.
///
/// # Errors
/// A bind source that does not exist, an option that is not honoured, a place that must not be
/// covered.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<Vec<ChangeLater>> {
    let mut entries = Entries { context, sources: Sources::default(), late: Vec::new() };
    for (index, mount) in context.spec.mounts.iter().enumerate() {
        let from = steps.0.len();
        let planned = match mount.kind.as_deref() {
            Some("cgroup" | "cgroup2") if !is_bind(mount) => {
                super::cgroup_mounts::steps(context, mount, steps).map(|it| entries.late.extend(it))
            }
            _ => entries.one(mount, steps),
        };
        planned.map_err(|error| at_index(error, index, mount))?;
        steps.placed(from, &place(index, mount));
    }
    Ok(entries.late)
}

fn is_bind(mount: &runtime::Mount) -> bool {
    mount.options.iter().any(|it| it == "bind" || it == "rbind")
}

/// Says which entry of config.json an error is about.
fn at_index(error: Error, index: usize, mount: &runtime::Mount) -> Error {
    let why = error.why.as_deref().unwrap_or_default();
    let why = format!("config.json, {}: {why}", place(index, mount));
    error.why(why)
}

fn place(index: usize, mount: &runtime::Mount) -> String {
    format!("mounts[{index}] on {:?}", mount.destination)
}

struct Entries<'a> {
    context: &'a Context<'a>,
    sources: Sources,
    late: Vec<ChangeLater>,
}

impl Entries<'_> {
    fn one(&mut self, mount: &runtime::Mount, steps: &mut Steps) -> Result<()> {
        let instead = in_user_namespace(self.context, mount);
        let mount = instead.as_ref().unwrap_or(mount);
        let mut options = Options::parse(&mount.options);
        if mount.kind.as_deref() == Some("bind") && options.bind.is_none() {
            options.bind = Some(Reach::One);
        }
        if options.remount {
            return remount(mount, &options, steps);
        }
        let target = Inside::here(&mount.destination)?;
        let (lab, made) = match options.bind {
            Some(reach) => ("lab-06", self.bind(mount, &options, reach, target)?),
            None => ("lab-03", self.file_system(mount, &options, target)?),
        };
        let made = made.changed(options.whole.change());
        let made = options.propagation.iter().fold(made, |made, change| made.then(*change));
        steps.add(lab, made);
        Ok(())
    }

    fn bind(
        &mut self,
        mount: &runtime::Mount,
        options: &Options,
        reach: Reach,
        target: Inside,
    ) -> Result<MountInside> {
        if !options.data.is_empty() {
            return Err(Error::new(
                "bind mounts cannot have any filesystem-specific options applied",
            )
            .why(format!(
                "{:?} is for a file system to read, and a bind makes none",
                options.data.join(",")
            ))
            .see("8 mount")
            .fix("leave the option out"));
        }
        let source = bind_source(self.context, mount)?;
        let wanted = if source.is_file { Wanted::File } else { Wanted::Directory };
        let judge = over_proc::judge_of_bind(&mount.destination)?;
        let what = self.sources.what(self.context, mount, options, (&source.path, reach))?;
        let made = MountInside::new(what, target, wanted).changed(options.top);
        Ok(match judge {
            Some(judge) => made.judged_by(judge),
            None => made,
        })
    }

    fn file_system(
        &mut self,
        mount: &runtime::Mount,
        options: &Options,
        target: Inside,
    ) -> Result<MountInside> {
        self.sources.refuse_for_file_systems(mount, options)?;
        let kind = mount.kind.as_deref().unwrap_or("none");
        let judge = over_proc::judge_of_file_system(&mount.destination, kind)?;
        let whole = matches!(kind, "proc" | "sysfs");
        let target = if whole { target.no_link() } else { target };
        let read_only_later = options.read_only() && needs_mount_points(kind, &mount.destination);
        let file_system = file_system(mount, options, kind, read_only_later)?;
        let has_mode = options.data.iter().any(|it| it.starts_with("mode="));
        let what = match kind {
            "tmpfs" if options.copy_up => What::CopyUp(file_system),
            "tmpfs" if !has_mode => What::LikeTheTarget(file_system),
            _ => What::FileSystem(file_system),
        };
        let made = MountInside::new(what, target, Wanted::Directory).why(why(kind));
        let made = if let Some(judge) = judge { made.judged_by(judge) } else { made };
        if read_only_later {
            let read_only = Change::set(libc::MOUNT_ATTR_RDONLY, Reach::One);
            self.late
                .push(made.later(read_only, "everything that is mounted in it is in its place"));
        }
        Ok(made)
    }
}

/// Whether later steps make something in it.
fn needs_mount_points(kind: &str, destination: &str) -> bool {
    kind == "tmpfs" || destination.trim_end_matches('/') == "/dev"
}

/// The file system with its parameters.
///
/// # Errors
/// An option that is longer than the kernel takes, or a NUL byte.
fn file_system(
    mount: &runtime::Mount,
    options: &Options,
    kind: &str,
    read_only_later: bool,
) -> Result<FileSystem> {
    let mut attributes = options.top.set;
    let mut made = FileSystem::new(c_path(kind)?);
    if let Some(source) = mount.source.as_deref().filter(|it| !it.is_empty()) {
        made = made.parameter(c"source", Some(value(source)?));
    }
    if read_only_later {
        attributes &= !libc::MOUNT_ATTR_RDONLY;
    } else if options.read_only() {
        // Of the file system too: a disk is not even opened for writing then.
        made = made.parameter(c"ro", None);
    }
    for flag in &options.superblock {
        made = made.parameter(c_path(flag)?, None);
    }
    for word in options.data.iter().flat_map(|it| words(it)) {
        made = match word.split_once('=') {
            Some(("lowerdir", layers)) if kind == "overlay" && is_long(layers) => {
                layered(made, layers)?
            }
            // The quotes are for mount(2), which would take a comma for the end of the value.
            Some((key, text)) => made.parameter(c_path(key)?, Some(value(text.trim_matches('"'))?)),
            None => made.parameter(c_path(word)?, None),
        };
    }
    Ok(made.attributes(attributes))
}

/// The parts of an option between commas, but not those between quotes.
fn words(option: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    option.split(move |letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    })
}

fn is_long(text: &str) -> bool {
    text.len() > FileSystem::VALUE_MAX
}

/// A stack of layers that is too long for one value, a layer at a time (Linux 6.7).
fn layered(made: FileSystem, layers: &str) -> Result<FileSystem> {
    layers
        .split(':')
        .try_fold(made, |made, layer| Ok(made.parameter(c"lowerdir+", Some(value(layer)?))))
}

fn value(text: &str) -> Result<CString> {
    if is_long(text) {
        return Err(Error::new("cannot use the mount option")
            .why(format!(
                "it has {} bytes; fsconfig(2) takes {}",
                text.len(),
                FileSystem::VALUE_MAX
            ))
            .see("2 fsconfig"));
    }
    c_path(text)
}

/// The mount that is there is changed, and not the file system that it shares with others.
fn remount(mount: &runtime::Mount, options: &Options, steps: &mut Steps) -> Result<()> {
    if !options.data.is_empty() || !options.superblock.is_empty() {
        return Err(Error::new("cannot change a file system by \"remount\"")
            .why("other mounts may show it too, and only flags of the mount are changed here")
            .see("2 mount_setattr")
            .fix("keep ro, nosuid, nodev, noexec and the like, and leave the other options out"));
    }
    let target = Inside::here(&mount.destination)?;
    steps.add("lab-06", ChangeInside::new(target.clone(), options.top));
    steps.add("lab-06", ChangeInside::new(target, options.whole.change()));
    Ok(())
}

/// What is mounted instead where a user namespace may not mount what was asked for.
fn in_user_namespace(context: &Context<'_>, mount: &runtime::Mount) -> Option<runtime::Mount> {
    let mut instead = mount.clone();
    match mount.kind.as_deref()? {
        // A new sysfs shows a network namespace, and must belong to the same user namespace.
        "sysfs" if context.in_user_namespace() && !context.makes(NamespaceKind::Network) => {
            instead.kind = Some("bind".to_owned());
            instead.source = Some("/sys".to_owned());
            instead.options =
                ["rbind", "rprivate", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).into();
        }
        // devpts refuses a group that nobody inside can be.
        "devpts" => {
            let unmapped = |word: &String| {
                let gid = word.strip_prefix("gid=").and_then(|gid| gid.parse().ok());
                gid.is_some_and(|gid| !context.maps_gid(gid))
            };
            instead.options.retain(|word| !unmapped(word));
        }
        _ => return None,
    }
    Some(instead)
}

fn why(kind: &str) -> &'static str {
    match kind {
        "proc" => "/proc shows the PID namespace of the process that mounts it",
        "tmpfs" => "an empty file system in memory, gone with its mount",
        "devpts" => "terminals of its own, numbered from 0",
        "mqueue" => "message queues show the IPC namespace of the process that mounts it",
        "sysfs" => "/sys shows the network namespace of the process that mounts it",
        _ => "config.json asks for it",
    }
}

struct BindSource {
    path: PathBuf,
    is_file: bool,
}

/// Relative sources are meant from the bundle.
fn bind_source(context: &Context<'_>, mount: &runtime::Mount) -> Result<BindSource> {
    let named = mount.source.as_deref().unwrap_or_default();
    let path = context.bundle.join(named);
    let metadata = fs::metadata(&path).map_err(|error| {
        let error_text = Error::new("bind source path does not exist");
        error_text
            .io(format_args!("stat {}", path.display()), &error)
            .see("2 mount")
            .fix(format!("make it first: mkdir -p {}", path.display()))
    })?;
    Ok(BindSource { path, is_file: !metadata.is_dir() })
}
