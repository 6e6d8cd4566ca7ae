//! Namespaces: which a container gets for itself, which it joins, and which are the host's.

use std::collections::BTreeMap;

use oci::runtime::{Namespace, NamespaceKind};

use super::Found;
use crate::container::{IpcMode, Network, Options, PidMode};

/// A kind that is not in the list is shared with the host.
pub fn namespaces(options: &Options, found: &Found, network: Option<&str>) -> Vec<Namespace> {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network as Net, Pid, Uts};
    let own = |kind| Namespace { kind, path: None };
    let mut list = vec![own(Mount)];
    if !options.namespaces.host_uts {
        list.push(own(Uts));
    }
    match &options.namespaces.pid {
        PidMode::Private => list.push(own(Pid)),
        PidMode::Container(id) => list.push(of(&found.joined, id, Pid, "pid")),
        PidMode::Host => {}
    }
    match &options.namespaces.ipc {
        IpcMode::Private | IpcMode::Shareable | IpcMode::None => list.push(own(Ipc)),
        IpcMode::Container(id) => list.push(of(&found.joined, id, Ipc, "ipc")),
        IpcMode::Host => {}
    }
    match options.network {
        Network::None | Network::Bridge | Network::Container(_) => {
            list.push(Namespace { kind: Net, path: network.map(str::to_owned) });
        }
        Network::Host => {}
    }
    if !options.namespaces.host_cgroup {
        list.push(own(Cgroup));
    }
    list
}

/// One of another container, by its first process; in a plan that process is not known.
fn of(joined: &BTreeMap<String, i32>, id: &str, kind: NamespaceKind, file: &str) -> Namespace {
    let pid = joined.get(id).map_or_else(|| format!("PID-OF-{id}"), ToString::to_string);
    Namespace { kind, path: Some(format!("/proc/{pid}/ns/{file}")) }
}
