//! Network devices: taken from the host and put into the container's network namespace.
//!
//! A device is in one network namespace at a time. Moving it closes it and takes its addresses away,
//! so those are read before and given back after; then it is switched on. When the namespace goes,
//! the kernel returns a physical device to the host and destroys a virtual one: there is nothing to
//! clean up.
//!
//! Source: runtime specification, config-linux.md, "Network Devices"; man 7 network_namespaces.

mod netlink;

use std::{
    collections::BTreeMap,
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use ground::{Errno, Error, Explanation, Result};
use nix::{
    net::if_::{if_nameindex, if_nametoindex},
    sched::{CloneFlags, setns},
    unistd::Pid,
};
use oci::runtime::{Linux, NamespaceKind, NetDevice};

use netlink::{Address, Netlink};

/// A device, and what it is called inside.
type Move<'a> = (&'a str, &'a str);

/// Moves the devices of config.json to the container's namespace: that of process `pid`, or the one
/// that it will join.
///
/// # Errors
/// A name that is none or is taken inside, a device that is not there or cannot be moved.
pub(crate) fn move_in(linux: &Linux, pid: Pid) -> Result<()> {
    let moves = planned(linux)?;
    if moves.is_empty() {
        return Ok(());
    }
    let own = open("/proc/self/ns/net")?;
    let theirs = match namespace_path(linux) {
        Some(path) => open(path)?,
        None => open(&format!("/proc/{pid}/ns/net"))?,
    };
    moves.iter().try_for_each(|it| move_one(*it, own.as_fd(), theirs.as_fd()))
}

/// The calls of [`move_in`], for a plan.
///
/// # Errors
/// A name that is none, no namespace to move them to.
pub(crate) fn explain(linux: &Linux) -> Result<Vec<Explanation>> {
    let told = |(name, inside): Move<'_>| {
        Explanation::new(
            format!(
                "sendmsg(netlink, RTM_NEWLINK {{{name}, IFLA_NET_NS_FD, IFLA_IFNAME={inside}}}); RTM_NEWADDR..; IFF_UP"
            ),
            "linux.netDevices: a device is in one network namespace at a time, and loses its addresses on the way",
            "7 rtnetlink",
        )
    };
    Ok(planned(linux)?.into_iter().map(told).collect())
}

/// # Errors
/// A name that is none, no namespace to move them to.
fn planned(linux: &Linux) -> Result<Vec<Move<'_>>> {
    let devices: &BTreeMap<String, NetDevice> = &linux.net_devices;
    if !devices.is_empty() && !linux.namespaces.iter().any(|it| it.kind == NamespaceKind::Network) {
        return Err(cannot("the devices")
            .why("linux.namespaces has no \"network\": they are in the container's namespace already")
            .fix("add {\"type\": \"network\"} to linux.namespaces"));
    }
    let mut moves = Vec::new();
    for (name, device) in devices {
        let inside = device.name.as_deref().filter(|it| !it.is_empty()).unwrap_or(name);
        if let Some(wrong) = [name.as_str(), inside].into_iter().find(|it| !is_name(it)) {
            return Err(cannot(name)
                .why(format!("config.json, linux.netDevices: {wrong:?} is no name of a device"))
                .fix("at most 15 characters, without \"/\", \":\" and spaces"));
        }
        moves.push((name.as_str(), inside));
    }
    Ok(moves)
}

/// dev_valid_name() of net/core/dev.c.
fn is_name(name: &str) -> bool {
    let allowed = |it: char| !it.is_whitespace() && it != '/' && it != ':' && it != '\0';
    !name.is_empty()
        && name.len() < libc::IFNAMSIZ
        && name != "."
        && name != ".."
        && name.chars().all(allowed)
}

fn cannot(name: &str) -> Error {
    Error::new(format!("cannot move the network device {name:?} into the container"))
        .see("7 network_namespaces")
}

fn namespace_path(linux: &Linux) -> Option<&str> {
    let mut namespaces = linux.namespaces.iter();
    namespaces.find(|it| it.kind == NamespaceKind::Network).and_then(|it| it.path.as_deref())
}

fn open(path: &str) -> Result<OwnedFd> {
    File::open(path).map(OwnedFd::from).map_err(|error| {
        Error::new("cannot find the network namespace").io(format_args!("open {path}"), &error)
    })
}

fn move_one((name, inside): Move<'_>, own: BorrowedFd<'_>, theirs: BorrowedFd<'_>) -> Result<()> {
    let failed = |call: &str, errno| refused(name, inside, call, errno);
    let index = if_nametoindex(name).map_err(|errno| failed("if_nametoindex", errno))?;
    let netlink = Netlink::open().map_err(|errno| failed("socket(AF_NETLINK, ..)", errno))?;
    let addresses = netlink.addresses(index).map_err(|errno| failed("RTM_GETADDR", errno))?;
    let visit = Visit::begin(own, theirs)?;
    let (before, taken) = (indices(), if_nametoindex(inside).is_ok());
    drop(visit);
    // The kernel moves first and names then: by the time it refused the device would be gone.
    if taken {
        return Err(failed("RTM_NEWLINK", Errno::EEXIST));
    }
    netlink.move_link(index, theirs, inside).map_err(|errno| failed("RTM_NEWLINK", errno))?;
    let _visit = Visit::begin(own, theirs)?;
    // The kernel may have given it another number, and chosen its name from a template.
    let new = indices().into_iter().find(|it| !before.contains(it));
    let new = new.ok_or_else(|| cannot(name).why("it did not arrive"))?;
    switch_on(new, &addresses).map_err(|(call, errno)| failed(call, errno))
}

/// Gives it its addresses and switches it on, in the namespace that we are in.
fn switch_on(index: u32, addresses: &[Address]) -> std::result::Result<(), (&'static str, Errno)> {
    let netlink = Netlink::open().map_err(|errno| ("socket(AF_NETLINK, ..)", errno))?;
    for address in addresses {
        match netlink.add_address(index, address) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(("RTM_NEWADDR", errno)),
        }
    }
    netlink.up(index).map_err(|errno| ("RTM_NEWLINK {IFF_UP}", errno))
}

fn indices() -> Vec<u32> {
    if_nameindex().map(|list| list.iter().map(|it| it.index()).collect()).unwrap_or_default()
}

fn refused(name: &str, inside: &str, call: &str, errno: Errno) -> Error {
    let error = cannot(name).call(&format!("{call} of {name}"), errno);
    match errno {
        Errno::EEXIST => error.fix(format!(
            "{inside:?} is taken inside: choose another `name`, or one with a number to be found, eth%d"
        )),
        Errno::ENODEV | Errno::ENXIO => error.fix("list those that there are: ip link"),
        Errno::EINVAL => error.fix("some belong to their namespace and cannot be moved: lo, bridges"),
        Errno::EPERM => error.fix("it takes CAP_NET_ADMIN in both namespaces: run as root"),
        _ => error,
    }
}

/// A visit to the container's network namespace; we are back when it is dropped.
struct Visit<'a> {
    own: BorrowedFd<'a>,
}

impl<'a> Visit<'a> {
    fn begin(own: BorrowedFd<'a>, theirs: BorrowedFd<'_>) -> Result<Self> {
        setns(theirs, CloneFlags::CLONE_NEWNET).map_err(|errno| {
            Error::new("cannot enter the container's network namespace")
                .call("setns(.., CLONE_NEWNET)", errno)
                .see("2 setns")
        })?;
        Ok(Self { own })
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // We came from there with the same privileges, so the way back is open.
        let _ = setns(self.own, CloneFlags::CLONE_NEWNET);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name_of_the_kernels() {
        for name in ["eth0", "a", "fifteen-letters", "eth%d"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-letters."] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn devices_need_a_namespace_to_go_to() {
        let linux = |json: &str| serde_json::from_str::<Linux>(json).unwrap();
        assert!(planned(&linux(r#"{"netDevices": {"eth0": {}}}"#)).is_err());
        let with = linux(
            r#"{"namespaces": [{"type": "network"}], "netDevices": {"eth0": {}, "eth1": {"name": "lan"}}}"#,
        );
        assert_eq!(planned(&with).unwrap(), [("eth0", "eth0"), ("eth1", "lan")]);
    }
}
