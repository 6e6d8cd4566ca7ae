//! X-ray: what the kernel says of a container, whoever made it.
//!
//! Docker, Podman and Kubernetes make the same thing: processes with namespaces, a control group,
//! mounts, fewer powers and a network. So nobody has to be asked what theirs looks like; it stands
//! under `/proc` and `/sys/fs/cgroup`, and is read there now. What may not be read is [`Seen::Hidden`],
//! with the reason.
//!
//! | file | what it reads | lab |
//! |---|---|---|
//! | [`machine`] | whose process is whose: control groups, conmon, shims | 02 |
//! | [`processes`] | `/proc/PID/status`: NSpid | 01 |
//! | [`namespaces`] | `/proc/PID/ns` of everybody | 01 |
//! | [`cgroup`] | the group's files | 02 |
//! | [`mounts`], [`layers`] | `/proc/PID/mountinfo` | 03, 04, 06 |
//! | [`privileges`] | `/proc/PID/status`, `uid_map`, `attr` | 01, 07 |
//! | [`network`] | netlink inside, `/proc/PID/net` | 05, 07 |
//!
//! Each file has its facts, which serialise, and a function that tells them as a [`Section`].

pub mod cgroup;
pub mod layers;
pub mod machine;
pub mod mounts;
pub mod namespaces;
pub mod network;
pub mod privileges;
pub mod processes;
mod seen;

use ground::{Error, Result};
use nix::unistd::Pid;
use serde::Serialize;
use setns::Target;

pub use machine::{Container, Machine, Ours};
pub use seen::{Section, Seen};

/// Everything that was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Xray {
    /// The process that was looked at, by its number here: the container's first one, or the one
    /// that was asked for.
    pub pid: i32,
    /// The container that it belongs to, if it does to one.
    pub container: Option<Container>,
    /// Who else is in it.
    pub processes: Seen<processes::Processes>,
    /// What it has for itself, and with whom it shares.
    pub namespaces: Seen<namespaces::Namespaces>,
    /// What it may use and has used.
    pub cgroup: Seen<cgroup::Cgroup>,
    /// Its files, and where they come from.
    pub mounts: Seen<mounts::Mounts>,
    /// What it may do.
    pub privileges: Seen<privileges::Privileges>,
    /// Whom it can speak to.
    pub network: Seen<network::Network>,
}

/// Looks at process `pid`.
///
/// An ordinary user's view of an own container's network leads through its user namespace: this
/// process, which has a single thread, joins it at the end and stays there.
///
/// # Errors
/// ESRCH when the process is not there, or ends meanwhile: half a picture would be a wrong one.
pub fn take(pid: Pid, machine: &Machine) -> Result<Xray> {
    let target = Target::open(pid).map_err(|error| {
        Error::new(format!("there is no process {pid}"))
            .why(error.why.unwrap_or_default())
            .fix("name a container (mini-docker ps) or the number of a running process (ps -e)")
    })?;
    let members = machine.members(pid)?;
    let container = machine.container_of(pid.as_raw()).cloned();
    let xray = Xray {
        pid: pid.as_raw(),
        processes: processes::look(pid, &members).into(),
        namespaces: namespaces::look(pid, &members.pids, machine).into(),
        cgroup: cgroup::look(pid).into(),
        mounts: mounts::look(pid, container.as_ref()).into(),
        privileges: privileges::look(pid).into(),
        // Last, because it may move us.
        network: network::look(&target, &members.pids).into(),
        container,
    };
    target.check_alive().map_err(|error| Error {
        fix: Some("what was read of it is not whole: start it again, and look again".into()),
        ..error
    })?;
    Ok(xray)
}

impl Xray {
    /// The facts in words, in the order in which a container is made.
    pub fn told(&self) -> Vec<Section> {
        vec![
            self.processes.told("Processes", "lab 01", |it| it.told(self.pid)),
            self.namespaces.told("Namespaces", "lab 01", namespaces::Namespaces::told),
            self.cgroup.told("Control group", "lab 02", cgroup::Cgroup::told),
            self.mounts.told("Root file system", "labs 03 and 04", mounts::Mounts::root_told),
            self.mounts.told("Mounts", "lab 06", mounts::Mounts::told),
            self.privileges.told("Privileges", "labs 01 and 07", privileges::Privileges::told),
            self.network.told("Network", "labs 05 and 07", network::Network::told),
        ]
    }

    /// Who it is, in a line.
    pub fn title(&self) -> String {
        match &self.container {
            Some(container) => format!("{container}, process {}", self.pid),
            None => format!("process {}, of no container that this machine knows of", self.pid),
        }
    }
}
