//! Mounts: every entry of `mounts` becomes one to three calls of mount(2).
//!
//! The words of `options` are those of mount(8): some are flags of the call, some are flags of a
//! second call (a bind ignores all flags at first), some set propagation, some hold for a whole
//! tree (mount_setattr(2)), and what is left is for the file system to read.
//!
//! Source: runtime specification, config.md, "Mounts" and "Linux mount options"; mount(2).

use std::{fs, path::Path};

use ground::{Errno, Error, Explanation, Result, Step};
use oci::runtime;
use rootfs::{Mount, MsFlags, c_path};

use super::{
    Context, Steps,
    target::{At, Target, Wanted},
};
use crate::sys;

/// All words that are understood, sorted, for `features`.
pub(crate) fn names() -> Vec<&'static str> {
    let flags = FLAGS.iter().map(|(name, ..)| *name);
    let propagation = PROPAGATION.iter().map(|(name, _)| *name);
    let recursive = RECURSIVE.iter().map(|(name, ..)| *name);
    let mut names: Vec<_> =
        flags.chain(propagation).chain(recursive).chain(["bind", "rbind", "defaults"]).collect();
    names.sort_unstable();
    names
}

/// The options of one mount, sorted by who reads them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) flags: MsFlags,
    /// Whether a flag was named, so that a bind needs its second call.
    pub(super) named: bool,
    pub(super) propagation: Vec<MsFlags>,
    /// Recursive attributes to set and to clear (MOUNT_ATTR_*).
    pub(super) recursive: (u64, u64),
    /// What the file system reads.
    pub(super) data: Vec<String>,
}

/// Words that set a flag of mount(2), and words that clear one.
const FLAGS: [(&str, MsFlags, bool); 25] = [
    ("ro", MsFlags::MS_RDONLY, true),
    ("rw", MsFlags::MS_RDONLY, false),
    ("nosuid", MsFlags::MS_NOSUID, true),
    ("suid", MsFlags::MS_NOSUID, false),
    ("nodev", MsFlags::MS_NODEV, true),
    ("dev", MsFlags::MS_NODEV, false),
    ("noexec", MsFlags::MS_NOEXEC, true),
    ("exec", MsFlags::MS_NOEXEC, false),
    ("sync", MsFlags::MS_SYNCHRONOUS, true),
    ("async", MsFlags::MS_SYNCHRONOUS, false),
    ("dirsync", MsFlags::MS_DIRSYNC, true),
    ("remount", MsFlags::MS_REMOUNT, true),
    ("mand", MsFlags::MS_MANDLOCK, true),
    ("nomand", MsFlags::MS_MANDLOCK, false),
    ("noatime", MsFlags::MS_NOATIME, true),
    ("atime", MsFlags::MS_NOATIME, false),
    ("nodiratime", MsFlags::MS_NODIRATIME, true),
    ("diratime", MsFlags::MS_NODIRATIME, false),
    ("relatime", MsFlags::MS_RELATIME, true),
    ("norelatime", MsFlags::MS_RELATIME, false),
    ("strictatime", MsFlags::MS_STRICTATIME, true),
    ("nostrictatime", MsFlags::MS_STRICTATIME, false),
    ("silent", MsFlags::MS_SILENT, true),
    ("loud", MsFlags::MS_SILENT, false),
    ("iversion", MsFlags::MS_I_VERSION, true),
];

const REC: MsFlags = MsFlags::MS_REC;

/// Words that choose how later mounts spread (man 7 mount_namespaces).
const PROPAGATION: [(&str, MsFlags); 8] = [
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(REC)),
];

/// Words that hold for all mounts below as well: attribute, and whether it is set.
const RECURSIVE: [(&str, u64, bool); 12] = [
    ("rro", libc::MOUNT_ATTR_RDONLY, true),
    ("rrw", libc::MOUNT_ATTR_RDONLY, false),
    ("rnosuid", libc::MOUNT_ATTR_NOSUID, true),
    ("rsuid", libc::MOUNT_ATTR_NOSUID, false),
    ("rnodev", libc::MOUNT_ATTR_NODEV, true),
    ("rdev", libc::MOUNT_ATTR_NODEV, false),
    ("rnoexec", libc::MOUNT_ATTR_NOEXEC, true),
    ("rexec", libc::MOUNT_ATTR_NOEXEC, false),
    ("rnodiratime", libc::MOUNT_ATTR_NODIRATIME, true),
    ("rdiratime", libc::MOUNT_ATTR_NODIRATIME, false),
    ("rnosymfollow", libc::MOUNT_ATTR_NOSYMFOLLOW, true),
    ("rsymfollow", libc::MOUNT_ATTR_NOSYMFOLLOW, false),
];

/// Words that we know and do not do yet.
const NOT_YET: [&str; 3] = ["tmpcopyup", "idmap", "ridmap"];

impl Options {
    /// Sorts the words.
    ///
    /// # Errors
    /// A word that means something which is not done here.
    pub(super) fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self> {
        let mut options = Self {
            flags: MsFlags::empty(),
            named: false,
            propagation: Vec::new(),
            recursive: (0, 0),
            data: Vec::new(),
        };
        for word in words.iter().map(AsRef::as_ref) {
            options.add(word)?;
        }
        Ok(options)
    }

    fn add(&mut self, word: &str) -> Result<()> {
        if NOT_YET.contains(&word) {
            return Err(Error::new(format!("cannot honour the mount option {word:?}"))
                .why("this runtime does not do it")
                .fix("leave the option out, or use runc or crun for this bundle"));
        }
        if let Some((_, flag, set)) = FLAGS.iter().find(|(name, ..)| *name == word) {
            self.flags.set(*flag, *set);
            self.named = true;
        } else if let Some((_, flags)) = PROPAGATION.iter().find(|(name, _)| *name == word) {
            self.propagation.push(*flags);
        } else if let Some((_, attribute, set)) = RECURSIVE.iter().find(|(name, ..)| *name == word)
        {
            let (to_set, to_clear) = &mut self.recursive;
            *(if *set { to_set } else { to_clear }) |= attribute;
        } else {
            match word {
                "bind" => self.flags |= MsFlags::MS_BIND,
                "rbind" => self.flags |= MsFlags::MS_BIND | REC,
                "defaults" | "" => {}
                data => self.data.push(data.to_owned()),
            }
        }
        Ok(())
    }

    fn is_bind(&self) -> bool {
        self.flags.contains(MsFlags::MS_BIND)
    }

    fn is_recursive(&self) -> bool {
        self.recursive != (0, 0)
    }
}

/// The steps of all entries, in the order of the file: a later mount may lie below an earlier one.
///
/// # Errors
/// A bind source that does not exist, or an option that is not honoured.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    for (index, mount) in context.spec.mounts.iter().enumerate() {
        let planned = match mount.kind.as_deref() {
            Some("cgroup" | "cgroup2") => super::cgroup_mounts::steps(context, mount, steps),
            _ => one(context, mount, steps),
        };
        planned.map_err(|error| at_index(error, index, mount))?;
    }
    Ok(())
}

/// Says which entry of config.json an error is about.
fn at_index(error: Error, index: usize, mount: &runtime::Mount) -> Error {
    let why = error.why.as_deref().unwrap_or_default();
    let why = format!("config.json, mounts[{index}] on {:?}: {why}", mount.destination);
    error.why(why)
}

fn one(context: &Context<'_>, mount: &runtime::Mount, steps: &mut Steps) -> Result<()> {
    if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
        return Err(Error::new("cannot mount with mapped ids")
            .why("idmapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP) are not done here")
            .fix("leave uidMappings and gidMappings of the mount out, or use crun"));
    }
    let instead = in_user_namespace(context, mount);
    let mount = instead.as_ref().unwrap_or(mount);
    place(context, mount, Options::parse(&mount.options)?, steps)
}

/// What is mounted instead where a user namespace may not mount what was asked for.
fn in_user_namespace(context: &Context<'_>, mount: &runtime::Mount) -> Option<runtime::Mount> {
    let mut instead = mount.clone();
    match mount.kind.as_deref()? {
        // A new sysfs shows a network namespace, and must belong to the same user namespace.
        "sysfs"
            if context.in_user_namespace() && !context.makes(runtime::NamespaceKind::Network) =>
        {
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

fn place(
    context: &Context<'_>,
    mount: &runtime::Mount,
    options: Options,
    steps: &mut Steps,
) -> Result<()> {
    let target = Target::new(&mount.destination)?;
    let slot = context.slot;
    let to = c_path(slot.path())?;
    let bind = options.is_bind() || mount.kind.as_deref() == Some("bind");
    let at = |wanted, step| At { target: target.clone(), wanted, slot, step };
    if bind {
        let source = bind_source(context, mount)?;
        let wanted = if source.is_file { Wanted::File } else { Wanted::Directory };
        let path = c_path(&source.path)?;
        let tree = options.flags.contains(REC);
        let step =
            if tree { Mount::rbind(path, to.clone()) } else { Mount::bind(path, to.clone()) };
        steps.add("lab-06", at(wanted, step));
        if options.named {
            let flags = (options.flags - REC) | MsFlags::MS_BIND | source.locked;
            steps.add("lab-06", at(Wanted::Existing, Mount::remount(to.clone(), flags)));
        }
    } else {
        let kind = mount.kind.as_deref().unwrap_or("none");
        let source = c_path(mount.source.as_deref().unwrap_or(kind))?;
        let data = c_path(options.data.join(","))?;
        let step = Mount::filesystem(c_path(kind)?, source, to.clone(), options.flags, data);
        steps.add("lab-03", at(Wanted::Directory, step.why(why(kind))));
    }
    for flags in &options.propagation {
        let why = "how mounts made later under it spread";
        steps.add("lab-06", at(Wanted::Existing, Mount::propagation(to.clone(), *flags, why)));
    }
    if options.is_recursive() {
        steps.add("lab-06", SetAttributes { target, recursive: options.recursive });
    }
    Ok(())
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
    path: std::path::PathBuf,
    is_file: bool,
    /// Flags that the source is mounted with. In a user namespace they cannot be taken away, and
    /// a remount that leaves one out is refused.
    locked: MsFlags,
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
    let locked = if context.in_user_namespace() { flags_of(&path) } else { MsFlags::empty() };
    Ok(BindSource { path, is_file: !metadata.is_dir(), locked })
}

pub(super) fn flags_of(path: &Path) -> MsFlags {
    use nix::sys::statvfs::{FsFlags, statvfs};
    let pairs = [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let flags = statvfs(path).map_or(FsFlags::empty(), |stat| stat.flags());
    let set = pairs.into_iter().filter(|(seen, _)| flags.contains(*seen));
    set.fold(MsFlags::empty(), |all, (_, flag)| all | flag)
}

/// mount_setattr(2) on a mount and all below it.
#[derive(Debug)]
struct SetAttributes {
    target: Target,
    recursive: (u64, u64),
}

impl Step for SetAttributes {
    fn run(&self) -> std::result::Result<(), Errno> {
        let mount = self.target.open(Wanted::Existing)?;
        let (set, clear) = self.recursive;
        sys::mount_setattr_recursive(std::os::fd::AsFd::as_fd(&mount), set, clear)
    }

    fn explain(&self) -> Explanation {
        let (set, clear) = self.recursive;
        let names = |bits: u64, wanted: bool| {
            let of = RECURSIVE.iter().filter(|(_, bit, sets)| *sets == wanted && bits & bit != 0);
            of.map(|(name, ..)| *name).collect::<Vec<_>>()
        };
        let words = [names(set, true), names(clear, false)].concat().join(",");
        let path = format!("{}{}", super::ROOTFS, self.target.inside());
        Explanation::new(
            format!("mount_setattr({path:?}, AT_RECURSIVE, {words})"),
            "mount(2) changes one mount; this changes those below it as well",
            "2 mount_setattr",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ENOSYS => Some("needs Linux 5.12: use ro, nosuid, .. instead of rro, rnosuid"),
            Errno::EPERM => Some("in a user namespace flags can be added and not taken away"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], flags: MsFlags, data: &[&str]) {
        let options = Options::parse(words).unwrap();
        assert_eq!(options.flags, flags);
        assert_eq!(options.data, data);
    }

    #[test]
    fn words_are_flags_or_for_the_file_system() {
        check(
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
            MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME,
            &["mode=755", "size=65536k"],
        );
        check(&["rbind"], MsFlags::MS_BIND | MsFlags::MS_REC, &[]);
        check(&["ro", "rw"], MsFlags::empty(), &[]);
        check(&["defaults"], MsFlags::empty(), &[]);
    }

    #[test]
    fn propagation_and_recursive_words_are_calls_of_their_own() {
        let options = Options::parse(&["rslave", "rro"]).unwrap();
        assert_eq!(options.propagation, [MsFlags::MS_SLAVE | MsFlags::MS_REC]);
        assert_eq!(options.recursive, (libc::MOUNT_ATTR_RDONLY, 0));
        assert!(!options.named);
    }

    #[test]
    fn a_word_that_is_not_honoured_is_refused() {
        assert!(Options::parse(&["tmpcopyup"]).is_err());
    }
}
