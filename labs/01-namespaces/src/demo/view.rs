//! A view: what a process sees when it looks around by system calls.

use std::{collections::BTreeMap, fs, net::UdpSocket};

use ground::{Errno, Error, Result};
use namespaces::{time::Clocks, witness::Facts};
use nix::{
    ifaddrs::getifaddrs,
    net::if_::InterfaceFlags,
    sys::utsname::uname,
    unistd::{getgid, getpid, getppid, getuid},
};

/// What the calling process sees.
pub fn here() -> Result<Facts> {
    let machine =
        uname().map_err(|errno| Error::new("cannot ask the kernel").call("uname(..)", errno))?;
    let Clocks { monotonic_ns, boottime_ns, realtime_ns } = Clocks::now()?;
    let facts = [
        ("nodename", machine.nodename().to_string_lossy().into_owned()),
        ("release", machine.release().to_string_lossy().into_owned()),
        ("pid", getpid().to_string()),
        ("ppid", getppid().to_string()),
        ("uid", getuid().to_string()),
        ("gid", getgid().to_string()),
        ("monotonic", monotonic_ns.to_string()),
        ("boottime", boottime_ns.to_string()),
        ("realtime", realtime_ns.to_string()),
        ("interfaces", interfaces()),
        ("cgroups", cgroups()),
        ("loopback", loopback()),
        ("boot_id", boot_id()),
    ];
    Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The interfaces with their state, by name.
fn interfaces() -> String {
    let mut found = BTreeMap::new();
    for interface in getifaddrs().into_iter().flatten() {
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        found.insert(interface.interface_name, if up { "up" } else { "down" });
    }
    let found: Vec<String> =
        found.iter().map(|(name, state)| format!("{name} ({state})")).collect();
    few(&found)
}

/// As many of them as a table of 80 columns has room for, and how many there are besides.
fn few(names: &[String]) -> String {
    const ROOM: usize = 26;
    let mut told = String::new();
    for (index, name) in names.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        if index > 0 && told.len() + comma.len() + name.len() > ROOM {
            return format!("{told} and {} more", names.len() - index);
        }
        told += comma;
        told += name;
    }
    told
}

/// Whether there is a way to 127.0.0.1. Connecting a datagram socket sends nothing.
fn loopback() -> String {
    let connected = UdpSocket::bind(("0.0.0.0", 0)).and_then(|it| it.connect(("127.0.0.1", 9)));
    match connected {
        Ok(()) => "there is a way".to_owned(),
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            format!("{errno:?} ({})", errno.desc())
        }
    }
}

/// What the kernel drew by lot when it was booted (man 4 random).
fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// The control groups that are not the root of their hierarchy, as the reader sees them.
fn cgroups() -> String {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let groups = text.lines().filter_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        (group != "/").then(|| format!("{controllers}:{group}"))
    });
    let groups: Vec<String> = groups.collect();
    if groups.is_empty() { "none".to_owned() } else { groups.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_what_the_scenes_ask_for() {
        let view = here().unwrap();
        assert_eq!(view["pid"], std::process::id().to_string());
        assert!(!view["interfaces"].is_empty());
    }

    #[test]
    fn a_machine_with_many_interfaces_names_some() {
        let names = ["docker0 (up)", "eth0 (up)", "lo (up)", "veth12ab34c (up)"].map(String::from);
        assert_eq!(few(&names), "docker0 (up), eth0 (up) and 2 more");
        assert_eq!(few(&names[1..3]), "eth0 (up), lo (up)");
        assert_eq!(few(&names[3..]), "veth12ab34c (up)");
        assert_eq!(few(&[]), "");
    }
}
