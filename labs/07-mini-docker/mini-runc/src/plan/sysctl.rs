//! Sysctls: kernel parameters, as far as a namespace of the container holds its own copy.
//!
//! The file is the same for everybody; whose value is written depends on the namespaces of the
//! writer. A parameter that is not namespaced would change the host, so it is refused.
//!
//! Source: runtime specification, config-linux.md, "Sysctl"; man 7 namespaces; runc's list.

use ground::{Error, Result};
use oci::runtime::NamespaceKind;

use super::{Context, Steps, files::WriteFile};

/// The namespace that holds a parameter, or `None` for one of the whole machine.
fn namespace_of(name: &str) -> Option<NamespaceKind> {
    match name {
        "kernel.msgmax"
        | "kernel.msgmnb"
        | "kernel.msgmni"
        | "kernel.sem"
        | "kernel.shmall"
        | "kernel.shmmax"
        | "kernel.shmmni"
        | "kernel.shm_rmid_forced" => Some(NamespaceKind::Ipc),
        "kernel.domainname" => Some(NamespaceKind::Uts),
        _ if name.starts_with("fs.mqueue.") => Some(NamespaceKind::Ipc),
        _ if name.starts_with("net.") => Some(NamespaceKind::Network),
        _ => None,
    }
}

/// `net.ipv4.conf.eth0/1.forwarding`: a slash stands for a dot in a name and the other way round,
/// unless the whole name is written with slashes (man 8 sysctl).
fn dotted(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(first) if name.as_bytes()[first] == b'/' => name
            .chars()
            .map(|it| {
                if it == '/' {
                    '.'
                } else if it == '.' {
                    '/'
                } else {
                    it
                }
            })
            .collect(),
        _ => name.to_owned(),
    }
}

/// The file of a parameter under /proc/sys.
fn file_of(dotted: &str) -> String {
    let swapped = dotted.chars().map(|it| match it {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    format!("/proc/sys/{}", swapped.collect::<String>())
}

/// # Errors
/// A parameter that would change the host, or one with `..` in it.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    for (name, value) in &context.linux.sysctl {
        let dotted = dotted(name);
        let refused = |why: &str, fix: String| {
            Err(Error::new(format!("sysctl {name:?} is not allowed"))
                .why(format!("config.json, linux.sysctl: {why}"))
                .see("7 namespaces")
                .fix(fix))
        };
        let file = file_of(&dotted);
        match namespace_of(&dotted) {
            _ if file.split('/').any(|part| part == "..") => {
                return refused("it leads out of /proc/sys", "correct the name".to_owned());
            }
            None => {
                return refused(
                    "no namespace has its own copy of it: it would change the host",
                    format!("set it on the host: sysctl -w {name}={value}"),
                );
            }
            Some(kind) if !context.has(kind) => {
                return refused(
                    "the container shares the namespace that holds it with the host",
                    format!("add {{\"type\": \"{kind:?}\"}} to linux.namespaces").to_lowercase(),
                );
            }
            Some(_) => {
                let why = "a parameter of the container's own namespace";
                let from = steps.0.len();
                steps.add("lab-01", WriteFile::new(&file, value.clone(), why)?);
                steps.placed(from, &format!("linux.sysctl[{name:?}]"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, file: &str) {
        assert_eq!(file_of(&dotted(name)), file);
    }

    #[test]
    fn a_name_is_a_file_with_dots_for_slashes() {
        check("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward");
        check("net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward");
        check("net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding");
        check("net/ipv4/conf/eth0.1/forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding");
    }

    #[test]
    fn only_namespaced_parameters_have_a_namespace() {
        assert_eq!(namespace_of("net.core.somaxconn"), Some(NamespaceKind::Network));
        assert_eq!(namespace_of("kernel.shmmax"), Some(NamespaceKind::Ipc));
        assert_eq!(namespace_of("vm.overcommit_memory"), None);
        assert_eq!(namespace_of("kernel.panic"), None);
    }
}
