//! Namespaces: the words of --ipc, --pid, --uts, --userns and --cgroupns.

use ground::{Error, Result};
use mini_docker::container::{IpcMode, NamespaceOptions, PidMode};

use crate::cli::args::ContainerFlags;

/// What the container shares.
///
/// # Errors
/// A mode that there is not, or that contradicts another option.
pub fn namespaces(flags: &ContainerFlags) -> Result<NamespaceOptions> {
    let modes = &flags.namespaces;
    user(modes.userns.as_deref())?;
    let host_uts = is_host(modes.uts.as_deref(), "--uts", "UTS", "the container's own name")?;
    if host_uts && (flags.hostname.is_some() || flags.domainname.is_some()) {
        return Err(Error::new("conflicting options: hostname and the UTS mode")
            .why("the host's name would change with it")
            .fix("leave --hostname and --domainname out, or --uts host"));
    }
    Ok(NamespaceOptions {
        ipc: ipc(modes.ipc.as_deref())?,
        pid: pid(modes.pid.as_deref())?,
        host_uts,
        host_cgroup: match modes.cgroupns.as_deref() {
            Some("private") => false,
            mode => is_host(mode, "--cgroupns", "CGROUP", "private, its own tree")?,
        },
    })
}

fn ipc(mode: Option<&str>) -> Result<IpcMode> {
    Ok(match mode {
        None | Some("" | "private") => IpcMode::Private,
        Some("shareable") => IpcMode::Shareable,
        Some("none") => IpcMode::None,
        Some("host") => IpcMode::Host,
        Some(mode) => match mode.strip_prefix("container:").filter(|name| !name.is_empty()) {
            Some(name) => IpcMode::Container(name.to_owned()),
            None => {
                return Err(Error::new(format!("--ipc: invalid IPC mode: {mode}"))
                    .fix("known are private, shareable, none, host and container:NAME"));
            }
        },
    })
}

fn pid(mode: Option<&str>) -> Result<PidMode> {
    Ok(match mode {
        None | Some("" | "private") => PidMode::Private,
        Some("host") => PidMode::Host,
        Some(mode) => match mode.strip_prefix("container:").filter(|name| !name.is_empty()) {
            Some(name) => PidMode::Container(name.to_owned()),
            None => {
                return Err(Error::new(format!("--pid: invalid PID mode: {mode}"))
                    .fix("known are host and container:NAME"));
            }
        },
    })
}

/// For root the user namespace is the host's; an ordinary user's containers share one in which he
/// is root. Both is what `host` means.
fn user(mode: Option<&str>) -> Result<()> {
    match mode {
        None | Some("" | "host") => Ok(()),
        Some(mode) => Err(Error::new(format!("--userns: invalid USER mode: {mode}"))
            .why(
                "who a user is outside is decided once for all containers of a store: as root the \
                 same, as an ordinary user by /etc/subuid. So layers are kept once",
            )
            .see("7 user_namespaces")
            .fix("run mini-docker as an ordinary user: its root is then nobody outside")),
    }
}

fn is_host(mode: Option<&str>, flag: &str, kind: &str, otherwise: &str) -> Result<bool> {
    match mode {
        None | Some("") => Ok(false),
        Some("host") => Ok(true),
        Some(mode) => Err(Error::new(format!("{flag}: invalid {kind} mode: {mode}"))
            .fix(format!("give host, or leave it out for {otherwise}"))),
    }
}
