//! Docker's default profile: the calls that a container may make.
//!
//! A list of what is allowed, because the kernel gets new calls every year and a list of what is
//! forbidden would let them through. Some entries only count for a container with a certain
//! capability (mount(2) for CAP_SYS_ADMIN), on some architectures, or from a kernel on.
//!
//! Source: github.com/moby/profiles, seccomp/default.json, of June 2026, compared call by call; ours
//! is `docker_default.json`, in its format, for the architectures that we have tables for.

use oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompRule};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: SeccompAction,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    arch_map: Vec<Architectures>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    listener_path: Option<String>,
    #[serde(default)]
    listener_metadata: Option<String>,
    #[serde(default)]
    syscalls: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Architectures {
    architecture: String,
    #[serde(default)]
    sub_architectures: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    names: Vec<String>,
    /// As profiles had it before they had lists.
    #[serde(default)]
    name: Option<String>,
    action: SeccompAction,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Vec<SeccompArg>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    caps: Vec<String>,
    arches: Vec<String>,
    min_kernel: Option<String>,
}

const JSON: &str = include_str!("docker_default.json");

/// The profile for a container with these capabilities, on this machine.
///
/// # Panics
/// Never: the data are part of the program, and a test parses them.
pub(crate) fn docker_default<S: AsRef<str>>(capabilities: &[S]) -> Seccomp {
    match serde_json::from_str::<Profile>(JSON) {
        Ok(profile) => resolved(profile, capabilities),
        // Nothing allowed is the safe way to be wrong.
        Err(_) => empty(),
    }
}

/// A profile in the same format, for a container with these capabilities, on this machine.
///
/// # Errors
/// Its first mistake.
pub(crate) fn of_json<S: AsRef<str>>(
    json: &serde_json::Value,
    capabilities: &[S],
) -> serde_json::Result<Seccomp> {
    Profile::deserialize(json).map(|profile| resolved(profile, capabilities))
}

fn resolved<S: AsRef<str>>(profile: Profile, capabilities: &[S]) -> Seccomp {
    let has = |name: &String| capabilities.iter().any(|it| it.as_ref() == name);
    let here = |name: &String| name == ARCH;
    let counts = |entry: &Entry| {
        let Entry { includes, excludes, .. } = entry;
        let included = includes.caps.iter().all(has)
            && (includes.arches.is_empty() || includes.arches.iter().any(here))
            && includes.min_kernel.as_deref().is_none_or(kernel_is_at_least);
        included && !excludes.caps.iter().any(has) && !excludes.arches.iter().any(here)
    };
    let rule = |entry: Entry| SeccompRule {
        names: entry.names.into_iter().chain(entry.name).collect(),
        action: entry.action,
        errno_ret: entry.errno_ret,
        args: entry.args,
    };
    let mapped = architectures(&profile.arch_map);
    Seccomp {
        default_action: profile.default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures: if mapped.is_empty() { profile.architectures } else { mapped },
        flags: profile.flags,
        listener_path: profile.listener_path,
        listener_metadata: profile.listener_metadata,
        syscalls: profile.syscalls.into_iter().filter(counts).map(rule).collect(),
    }
}

/// Go's name of this architecture, as the profile's conditions have it.
#[cfg(target_arch = "x86_64")]
const ARCH: &str = "amd64";
#[cfg(target_arch = "aarch64")]
const ARCH: &str = "arm64";

fn architectures(map: &[Architectures]) -> Vec<String> {
    let native = if ARCH == "amd64" { "SCMP_ARCH_X86_64" } else { "SCMP_ARCH_AARCH64" };
    let ours = map.iter().filter(|it| it.architecture == native);
    ours.flat_map(|it| std::iter::once(&it.architecture).chain(&it.sub_architectures))
        .cloned()
        .collect()
}

fn empty() -> Seccomp {
    Seccomp {
        default_action: SeccompAction::Errno,
        default_errno_ret: None,
        architectures: Vec::new(),
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        syscalls: Vec::new(),
    }
}

/// `4.8` against uname(2)'s `6.18.3-generic`.
fn kernel_is_at_least(wanted: &str) -> bool {
    let uname = nix::sys::utsname::uname();
    uname.is_ok_and(|uname| version(&uname.release().to_string_lossy()) >= version(wanted))
}

fn version(release: &str) -> (u32, u32) {
    let mut parts = release.split(|it: char| !it.is_ascii_digit());
    let mut part = || parts.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    (part(), part())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(profile: &Seccomp, name: &str) -> bool {
        let of = |rule: &&SeccompRule| rule.names.iter().any(|it| it == name);
        let mut rules = profile.syscalls.iter().filter(of);
        rules.any(|rule| rule.action == SeccompAction::Allow && rule.args.is_empty())
    }

    #[test]
    fn capabilities_open_calls() {
        let plain = docker_default(&crate::defaults::CAPABILITIES);
        assert!(allows(&plain, "read") && allows(&plain, "chroot"));
        assert!(!allows(&plain, "mount") && !allows(&plain, "clone3") && !allows(&plain, "bpf"));
        let admin = docker_default(&["CAP_SYS_ADMIN"]);
        assert!(allows(&admin, "mount") && allows(&admin, "clone3") && allows(&admin, "clone"));
    }

    #[test]
    fn sockets_of_two_families_stay_closed() {
        let profile = docker_default(&crate::defaults::CAPABILITIES);
        let program = super::super::compile(&profile).unwrap();
        let socket = |family| {
            let number = libc::SYS_socket as u32;
            super::super::bpf::judge(&program, NATIVE, number, [family, 0, 0, 0, 0, 0])
        };
        let closed: Vec<u64> =
            (0..64).filter(|it| socket(*it) != libc::SECCOMP_RET_ALLOW).collect();
        // The kernel's crypto API, and the hypervisor's sockets, which have no namespace.
        assert_eq!(closed, [libc::AF_ALG as u64, libc::AF_VSOCK as u64]);
    }

    #[cfg(target_arch = "x86_64")]
    const NATIVE: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const NATIVE: u32 = 0xc000_00b7;

    #[test]
    fn versions_are_numbers() {
        assert!(version("6.18.3-generic") > version("6.9"));
        assert!(version("4.8") == (4, 8));
    }
}
