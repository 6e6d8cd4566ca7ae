//! Mounts as steps: one mount(2) call each, prepared here and made in the child.
//!
//! mount(2) is five calls under one name. Its flags choose: none of the special ones attaches a
//! file system, `MS_BIND` shows a directory that is already visible a second time, `MS_REMOUNT`
//! changes flags, and `MS_SHARED`, `MS_PRIVATE`, `MS_SLAVE` or `MS_UNBINDABLE` change how later
//! mounts spread. What an errno means depends on that choice, so the advice does too. See mount(2),
//! mount_namespaces(7).

use std::{
    borrow::Cow,
    ffi::{CStr, CString},
};

use ground::{Errno, Explanation, Step};
pub use nix::mount::{MntFlags, MsFlags};

use crate::advice;

/// One call of mount(2).
///
/// Idempotent only for remounts and propagation: mounting twice stacks two mounts. A mount ends
/// with [`Umount`], or with the last process of its mount namespace.
#[derive(Debug, Clone)]
pub struct Mount {
    source: Option<CString>,
    target: CString,
    fstype: Option<CString>,
    flags: MsFlags,
    data: Option<CString>,
    why: Cow<'static, str>,
}

/// Flags for a file system that holds no programs and no devices.
const INERT: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

impl Mount {
    /// A new file system of type `fstype` on `target`; `source` and `data` mean what the file
    /// system wants them to mean, and an empty `data` is sent as none.
    pub fn filesystem(
        fstype: impl Into<CString>,
        source: impl Into<CString>,
        target: impl Into<CString>,
        flags: MsFlags,
        data: impl Into<CString>,
    ) -> Self {
        let data = Some(data.into()).filter(|data: &CString| !data.is_empty());
        Self {
            source: Some(source.into()),
            target: target.into(),
            fstype: Some(fstype.into()),
            flags,
            data,
            why: Cow::Borrowed("attaches a file system of its own here"),
        }
    }

    /// `source` shown a second time at `target`, without the mounts below it.
    pub fn bind(source: impl Into<CString>, target: impl Into<CString>) -> Self {
        Self::without_type(Some(source.into()), target.into(), MsFlags::MS_BIND)
            .why("shows the same inode in a second place")
    }

    /// `source` with every mount below it shown a second time at `target`.
    pub fn rbind(source: impl Into<CString>, target: impl Into<CString>) -> Self {
        let flags = MsFlags::MS_BIND.union(MsFlags::MS_REC);
        Self::without_type(Some(source.into()), target.into(), flags)
            .why("shows the same tree, with the mounts in it, in a second place")
    }

    /// The mount at `source` taken away and put at `target`.
    pub fn moved(source: impl Into<CString>, target: impl Into<CString>) -> Self {
        Self::without_type(Some(source.into()), target.into(), MsFlags::MS_MOVE)
            .why("moves a mount, with the mounts on it, to another place")
    }

    /// Sets the flags of the mount at `target` to exactly `flags`. For a bind mount give `MS_BIND`
    /// with them, so that they belong to this mount and not to the whole file system.
    pub fn remount(target: impl Into<CString>, flags: MsFlags) -> Self {
        Self::without_type(None, target.into(), flags | MsFlags::MS_REMOUNT)
            .why("the first bind ignores these flags: they need a second call")
    }

    /// How mounts made later under `target` spread: one of `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`,
    /// `MS_UNBINDABLE`, with `MS_REC` for the mounts below as well.
    pub fn propagation(
        target: impl Into<CString>,
        flags: MsFlags,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::without_type(None, target.into(), flags).why(why)
    }

    /// A tmpfs; `options` as `mode=755,size=64m`, empty for none.
    pub fn tmpfs(target: impl Into<CString>, options: impl Into<CString>) -> Self {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        Self::filesystem(c"tmpfs", c"tmpfs", target, flags, options)
            .why("an empty file system in memory, gone with its mount")
    }

    /// A proc file system of the caller's PID namespace.
    pub fn proc(target: impl Into<CString>) -> Self {
        Self::filesystem(c"proc", c"proc", target, INERT, c"")
            .why("/proc shows the PID namespace of the process that mounts it")
    }

    /// A sysfs, read-only; shows the network devices of the caller's network namespace.
    pub fn sysfs(target: impl Into<CString>) -> Self {
        Self::filesystem(c"sysfs", c"sysfs", target, INERT | MsFlags::MS_RDONLY, c"")
            .why("/sys shows the network namespace of the process that mounts it")
    }

    /// A devpts of its own, so that no terminal of the host is visible; `options` as
    /// `newinstance,ptmxmode=0666,mode=0620,gid=5`. A gid that is not mapped is EINVAL.
    pub fn devpts(target: impl Into<CString>, options: impl Into<CString>) -> Self {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        Self::filesystem(c"devpts", c"devpts", target, flags, options)
            .why("terminals of its own, numbered from 0")
    }

    /// The POSIX message queues of the caller's IPC namespace.
    pub fn mqueue(target: impl Into<CString>) -> Self {
        Self::filesystem(c"mqueue", c"mqueue", target, INERT, c"")
            .why("message queues show the IPC namespace of the process that mounts it")
    }

    /// The cgroup v2 hierarchy, from the root of the caller's cgroup namespace down.
    pub fn cgroup2(target: impl Into<CString>) -> Self {
        Self::filesystem(c"cgroup2", c"cgroup", target, INERT | MsFlags::MS_RELATIME, c"")
            .why("control groups, seen from the root of the cgroup namespace")
    }

    fn without_type(source: Option<CString>, target: CString, flags: MsFlags) -> Self {
        Self { source, target, fstype: None, flags, data: None, why: Cow::Borrowed("") }
    }

    /// Says why this mount is made, in the caller's words.
    pub fn why(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// Replaces the flags, for a file system that is wanted with others than its constructor's.
    pub fn flags(self, flags: MsFlags) -> Self {
        Self { flags, ..self }
    }

    /// Where it is mounted.
    pub fn target(&self) -> &CStr {
        &self.target
    }
}

impl Step for Mount {
    fn run(&self) -> Result<(), Errno> {
        nix::mount::mount(
            self.source.as_deref(),
            self.target.as_c_str(),
            self.fstype.as_deref(),
            self.flags,
            self.data.as_deref(),
        )
    }

    fn explain(&self) -> Explanation {
        let call = format!(
            "mount({}, {}, {}, {}, {})",
            quoted_or_null(self.source.as_deref()),
            quoted(&self.target),
            quoted_or_null(self.fstype.as_deref()),
            flag_names(self.flags),
            quoted_or_null(self.data.as_deref()),
        );
        Explanation::new(call, self.why.as_ref(), "2 mount")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        advice::mount(self.flags, self.fstype.as_deref(), errno)
    }
}

/// One call of umount2(2).
#[derive(Debug, Clone)]
pub struct Umount {
    target: CString,
    flags: MntFlags,
    why: Cow<'static, str>,
}

impl Umount {
    /// Takes away the topmost mount at `target`. EBUSY while something uses it.
    pub fn now(target: impl Into<CString>) -> Self {
        Self {
            target: target.into(),
            flags: MntFlags::empty(),
            why: Cow::Borrowed("uncovers what the mount covered"),
        }
    }

    /// Takes the mount, and those below it, out of sight at once; it ends when its last user does.
    pub fn detach(target: impl Into<CString>) -> Self {
        let why = Cow::Borrowed("takes it out of sight at once, whoever still uses it");
        Self { target: target.into(), flags: MntFlags::MNT_DETACH, why }
    }

    /// Says why, in the caller's words.
    pub fn why(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), ..self }
    }
}

impl Step for Umount {
    fn run(&self) -> Result<(), Errno> {
        nix::mount::umount2(self.target.as_c_str(), self.flags)
    }

    fn explain(&self) -> Explanation {
        let names = names(self.flags.iter_names().map(|(name, _)| name), 0);
        let call = format!("umount2({}, {names})", quoted(&self.target));
        Explanation::new(call, self.why.as_ref(), "2 umount")
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        advice::umount(errno)
    }
}

/// `"text"` as strace(1) prints it; a name that is not UTF-8 is shown with replacement characters.
pub(crate) fn quoted(text: &CStr) -> String {
    format!("{:?}", text.to_string_lossy())
}

fn quoted_or_null(text: Option<&CStr>) -> String {
    text.map_or_else(|| "NULL".to_owned(), quoted)
}

/// `MS_BIND|MS_REC`, in strace's order; `0` for none, hexadecimal for bits without a name.
pub fn flag_names(flags: MsFlags) -> String {
    names(flags.iter_names().map(|(name, _)| name), flags.bits() & !MsFlags::all().bits())
}

fn names(names: impl Iterator<Item = &'static str>, rest: u64) -> String {
    let mut names: Vec<Cow<'_, str>> = names.map(Cow::Borrowed).collect();
    if rest != 0 || names.is_empty() {
        names.push(if rest == 0 { "0".into() } else { format!("{rest:#x}").into() });
    }
    names.join("|")
}
