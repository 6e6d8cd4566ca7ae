//! Security: what Docker adds to the capabilities, from the words of `--security-opt`.

use mini_runc::defaults;
use oci::runtime::{Linux, Process, Seccomp};

use super::{Found, capabilities};
use crate::container::{SeccompMode, Security};

/// Whether a profile of the user's can be read.
///
/// # Errors
/// Its first mistake.
pub fn check_seccomp(json: &serde_json::Value) -> Result<(), serde_json::Error> {
    defaults::seccomp_profile(json, &defaults::CAPABILITIES).map(drop)
}

/// The filter, the hidden and the protected paths, and the label of the mounts.
pub fn of_linux(security: &Security, found: &Found, linux: &mut Linux) {
    linux.seccomp = seccomp(security);
    if !security.privileged && !security.system_paths_unconfined {
        linux.masked_paths = defaults::MASKED_PATHS.map(str::to_owned).into();
        linux.readonly_paths = defaults::READONLY_PATHS.map(str::to_owned).into();
    }
    if found.selinux {
        linux.mount_label = label(security, "object_r", "container_file_t");
    }
}

/// The profile of AppArmor, and the label of the program.
pub fn of_process(security: &Security, found: &Found, process: &mut Process) {
    let unconfined = security.privileged || security.apparmor.as_deref() == Some("unconfined");
    process.apparmor_profile = security.apparmor.clone().filter(|_| !unconfined);
    if found.selinux {
        process.selinux_label = label(security, "system_r", "container_t");
    }
}

fn seccomp(security: &Security) -> Option<Seccomp> {
    let bounding = capabilities::bounding(security);
    match &security.seccomp {
        // Who asks for a filter of his own gets it, whatever else the container may.
        SeccompMode::Profile(json) => defaults::seccomp_profile(json, &bounding).ok(),
        SeccompMode::Default if !security.privileged => Some(defaults::seccomp(&bounding)),
        SeccompMode::Default | SeccompMode::Unconfined => None,
    }
}

/// `system_u:system_r:container_t:s0` with the parts that were asked for; none where nothing was.
fn label(security: &Security, role: &str, kind: &str) -> Option<String> {
    let asked = |name: &str| {
        let part = |label: &String| Some(label.strip_prefix(name)?.strip_prefix(':')?.to_owned());
        security.labels.iter().rev().find_map(part)
    };
    let known = ["user", "role", "type", "level", "filetype"];
    if security.labels.iter().any(|it| it == "disable")
        || known.iter().all(|it| asked(it).is_none())
    {
        return None;
    }
    let of_files = role == "object_r";
    let kind = match of_files {
        true => asked("filetype").unwrap_or_else(|| kind.to_owned()),
        false => asked("type").unwrap_or_else(|| kind.to_owned()),
    };
    let role = if of_files { role.to_owned() } else { asked("role").unwrap_or(role.to_owned()) };
    let user = asked("user").unwrap_or_else(|| "system_u".into());
    Some(format!("{user}:{role}:{kind}:{}", asked("level").unwrap_or_else(|| "s0".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_default_with_what_was_asked_for() {
        let labels = |words: &[&str]| {
            let labels = words.iter().map(ToString::to_string).collect();
            label(&Security { labels, ..Security::default() }, "system_r", "container_t")
        };
        assert_eq!(labels(&[]), None);
        assert_eq!(labels(&["disable"]), None);
        let expected = "system_u:system_r:spc_t:s0:c1,c2";
        assert_eq!(labels(&["type:spc_t", "level:s0:c1,c2"]).as_deref(), Some(expected));
    }
}
