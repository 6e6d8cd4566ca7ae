//! Walls: why the kernel said no to a namespace, and what opens it.
//!
//! A refused clone3(2) has one errno and half a dozen causes. Each cause leaves a trace that can be
//! read without privilege; [`Facts`] are those traces, and the diagnosis is a pure function of them.

use std::{fs, io};

use ground::{Errno, Error};
use nix::unistd::geteuid;

use crate::{Kind, Kinds};

/// What this machine says about user namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the caller is root in its user namespace.
    pub root: bool,
    /// `user.max_user_namespaces`, since Linux 4.9.
    pub max_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, a patch of Debian and Arch.
    pub unprivileged_userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, Ubuntu since 23.10.
    pub apparmor_restrict: Option<u64>,
    /// Whether a seccomp filter is on us (`Seccomp: 2`), as in a container of Docker.
    pub filtered: bool,
    /// The AppArmor profile that confines us, unless there is none.
    pub apparmor_profile: Option<String>,
}

impl Facts {
    /// Reads them; what cannot be read is absent.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        Self {
            root: geteuid().is_root(),
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            unprivileged_userns_clone: sysctl("kernel/unprivileged_userns_clone"),
            apparmor_restrict: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
            filtered: status.lines().any(|line| line == "Seccomp:\t2"),
            apparmor_profile: apparmor_profile(),
        }
    }
}

fn sysctl(name: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}

fn apparmor_profile() -> Option<String> {
    // The file outside of the LSM's own directory may speak for another LSM.
    let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled").ok()?;
    let profile = fs::read_to_string("/proc/thread-self/attr/current").ok()?;
    let profile = profile.trim_end_matches(['\0', '\n']);
    (enabled.trim() == "Y" && profile != "unconfined").then(|| profile.to_owned())
}

/// The report for clone3(2) or unshare(2) having refused `kinds`.
pub(crate) fn clone_refused(flags: &str, kinds: Kinds, errno: Errno) -> Error {
    refused(&format!("clone3({{flags={flags}}})"), kinds, errno, &Facts::read())
}

/// The report for unshare(2) having refused `kinds`.
pub fn unshare_refused(kinds: Kinds, errno: Errno) -> Error {
    refused(&format!("unshare({})", kinds.flag_names()), kinds, errno, &Facts::read())
}

/// The report for a map that could not be written.
pub(crate) fn map_refused(path: &str, error: &io::Error) -> Error {
    let report = Error::new("cannot map ids into the user namespace")
        .io(format_args!("write {path}"), error)
        .see("7 user_namespaces");
    match map_wall(&Facts::read()) {
        Some((why, fix)) => {
            let cause = report.why.clone().unwrap_or_default();
            report.why(format!("{cause}\n{why}")).fix(fix)
        }
        None => report,
    }
}

fn refused(call: &str, kinds: Kinds, errno: Errno, facts: &Facts) -> Error {
    let man = if kinds.contains(Kind::User) { "7 user_namespaces" } else { "7 namespaces" };
    let report = Error::new("cannot make the namespaces").call(call, errno).see(man);
    match wall(kinds, errno, facts) {
        Some((why, fix)) => {
            let cause = report.why.clone().unwrap_or_default();
            report.why(format!("{cause}\n{why}")).fix(fix)
        }
        None => report,
    }
}

/// Cause and cure of a refused namespace.
fn wall(kinds: Kinds, errno: Errno, facts: &Facts) -> Option<(&'static str, &'static str)> {
    let user = kinds.contains(Kind::User);
    Some(match errno {
        Errno::EPERM if !user && !facts.root => (
            "only root may make these without a user namespace",
            "add a user namespace (--user --map-root), or run it with sudo",
        ),
        Errno::EPERM if user && facts.unprivileged_userns_clone == Some(0) => (
            "kernel.unprivileged_userns_clone is 0: this machine keeps them for root",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        Errno::EPERM | Errno::ENOSYS if facts.filtered => (
            "a seccomp filter is on this process, as in a container of Docker",
            "start the outer container with --security-opt seccomp=unconfined",
        ),
        Errno::EPERM if facts.apparmor_restrict == Some(1) || facts.apparmor_profile.is_some() => {
            map_wall(facts)?
        }
        Errno::EPERM if user => (
            "the caller is in a chroot, or its ids have no map in its own user namespace",
            "leave the chroot; pivot_root(2) keeps user namespaces possible",
        ),
        Errno::EPERM => (
            "CAP_SYS_ADMIN is missing: this root lives in a container",
            "start the outer container with --cap-add SYS_ADMIN, or add --user",
        ),
        Errno::ENOSPC | Errno::EUSERS if user && facts.max_user_namespaces == Some(0) => (
            "user.max_user_namespaces is 0: this machine has them switched off",
            "sudo sysctl -w user.max_user_namespaces=15000",
        ),
        Errno::ENOSPC | Errno::EUSERS => (
            "a limit of user.max_*_namespaces is reached, or they are nested more than 32 deep",
            "sysctl -a | grep user.max; raise the one for this kind, or end old namespaces",
        ),
        Errno::EINVAL => (
            "this kernel does not know one of the flags (time namespaces came with 5.6), or has it \
             switched off",
            "ls /proc/self/ns shows the kinds it has: leave the others out",
        ),
        Errno::EAGAIN => (
            "a limit on processes is reached: ulimit -u, or pids.max of the cgroup",
            "end some processes, or raise the limit",
        ),
        Errno::ENOSYS => {
            ("clone3(2) came with Linux 5.3", "use a newer kernel; uname -r shows this one")
        }
        Errno::EBADF | Errno::EACCES | Errno::EBUSY | Errno::EOPNOTSUPP => (
            "the process cannot be born in that control group: only in a v2 group that is ours, is \
             not threaded, and has no controllers enabled for children",
            "ls -ld the group's directory, and read its cgroup.type and cgroup.subtree_control",
        ),
        _ => return None,
    })
}

/// Cause and cure of a refused map, in the namespace that was granted.
fn map_wall(facts: &Facts) -> Option<(&'static str, &'static str)> {
    if facts.apparmor_restrict == Some(1) {
        return Some((
            "AppArmor gives programs without a profile a user namespace without capabilities, as \
             Ubuntu does since 23.10",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or write a profile with \
             `userns,` for this program",
        ));
    }
    if facts.apparmor_profile.is_some() {
        return Some((
            "the AppArmor profile of this process grants a user namespace and no capability in it",
            "cat /proc/self/attr/current names the profile: allow `userns,` and `capability,` in it, \
             or start without it, by aa-exec -p unconfined",
        ));
    }
    if facts.root {
        return Some((
            "this root may not give these ids away: its own user namespace does not hold them",
            "cat /proc/self/uid_map shows the ids there are",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: fn() -> Kinds = || Kinds::of([Kind::User, Kind::Pid]);

    #[track_caller]
    fn check(kinds: Kinds, errno: Errno, facts: &Facts, fix: &str) {
        let (_, said) = wall(kinds, errno, facts).unwrap();
        assert!(said.contains(fix), "{said}");
    }

    #[test]
    fn each_switch_has_its_own_cure() {
        let facts = Facts::default;
        let off = Facts { unprivileged_userns_clone: Some(0), ..facts() };
        check(USER(), Errno::EPERM, &off, "kernel.unprivileged_userns_clone=1");
        let none = Facts { max_user_namespaces: Some(0), ..facts() };
        check(USER(), Errno::ENOSPC, &none, "user.max_user_namespaces=");
        let ubuntu = Facts { apparmor_restrict: Some(1), ..facts() };
        check(USER(), Errno::EPERM, &ubuntu, "kernel.apparmor_restrict_unprivileged_userns=0");
        let confined = Facts { apparmor_profile: Some("box (enforce)".to_owned()), ..facts() };
        check(USER(), Errno::EPERM, &confined, "aa-exec -p unconfined");
        let docker = Facts { filtered: true, ..facts() };
        check(USER(), Errno::EPERM, &docker, "seccomp=unconfined");
        check(USER(), Errno::EPERM, &facts(), "chroot");
        check(Kinds::of([Kind::Pid]), Errno::EPERM, &facts(), "--user");
        let contained = Facts { root: true, ..facts() };
        check(Kinds::of([Kind::Pid]), Errno::EPERM, &contained, "SYS_ADMIN");
    }
}
