//! Bus: what is said to systemd, by busctl(1).

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ground::{Error, Result};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::properties::Property;

const SERVICE: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

/// Which systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Manager {
    /// PID 1.
    OfTheMachine,
    /// `systemd --user`, which PID 1 has given a part of the tree.
    OfTheUser,
}

impl Manager {
    /// Whether there is one at all (man 3 sd_booted).
    ///
    /// # Errors
    /// There is none.
    pub(super) fn must_run(self) -> Result<()> {
        if Path::new("/run/systemd/system").exists() {
            return Ok(());
        }
        Err(Error::new("cannot use the systemd cgroup driver")
            .why("systemd is not running on this host")
            .see("3 sd_booted")
            .fix(
                "use the cgroupfs driver: podman --cgroup-manager=cgroupfs, \
                 dockerd --exec-opt native.cgroupdriver=cgroupfs, containerd SystemdCgroup = false",
            ))
    }

    /// Where scopes go that are not put anywhere.
    pub(super) fn default_slice(self) -> &'static str {
        match self {
            Self::OfTheMachine => "system.slice",
            Self::OfTheUser => "user.slice",
        }
    }

    /// How a person asks it.
    pub(super) fn systemctl(self) -> &'static str {
        match self {
            Self::OfTheMachine => "systemctl",
            Self::OfTheUser => "systemctl --user",
        }
    }

    /// The group that all of its groups are in.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn control_group(self) -> Result<PathBuf> {
        let said = self.ask(&["get-property", SERVICE, OBJECT, INTERFACE, "ControlGroup"])?;
        let path = said.trim().trim_start_matches("s ").trim_matches('"');
        Ok(super::below_root(path))
    }

    /// Starts a unit that lives until it is empty or the machine is switched off.
    ///
    /// # Errors
    /// A unit of that name is there; a property that this systemd does not know; no right.
    pub(super) fn start_transient_unit(self, unit: &str, properties: &[Property]) -> Result<()> {
        let count = properties.len().to_string();
        let mut words = vec!["ssa(sv)a(sa(sv))", unit, "replace", &count];
        words.extend(properties.iter().flat_map(Property::words));
        words.push("0");
        self.call("StartTransientUnit", &words)
    }

    /// Changes properties until the unit ends.
    ///
    /// # Errors
    /// As [`Manager::start_transient_unit`].
    pub(super) fn set_properties(self, unit: &str, properties: &[Property]) -> Result<()> {
        let count = properties.len().to_string();
        let mut words = vec!["sba(sv)", unit, "true", &count];
        words.extend(properties.iter().flat_map(Property::words));
        self.call("SetUnitProperties", &words)
    }

    /// Moves a process into a unit.
    ///
    /// # Errors
    /// There is no such unit; no right.
    pub(super) fn attach(self, unit: &str, pid: Pid) -> Result<()> {
        self.call("AttachProcessesToUnit", &["ssau", unit, "", "1", &pid.to_string()])
    }

    /// Stops a unit, and forgets that it failed. Best effort.
    pub(super) fn stop(self, unit: &str) {
        let _ = self.call("StopUnit", &["ss", unit, "replace"]);
        let _ = self.call("ResetFailedUnit", &["s", unit]);
    }

    fn call(self, method: &str, words: &[&str]) -> Result<()> {
        let mut call = vec!["call", SERVICE, OBJECT, INTERFACE, method];
        call.extend(words);
        self.ask(&call).map(drop)
    }

    fn ask(self, words: &[&str]) -> Result<String> {
        let cannot = || Error::new("cannot ask systemd for a control group").see("1 busctl");
        let mut busctl = Command::new("busctl");
        busctl.args((self == Self::OfTheUser).then_some("--user")).arg("--").args(words);
        let answer = busctl.stdin(Stdio::null()).output().map_err(|error| {
            cannot().io("execve busctl", &error).fix("install systemd's tools, or use cgroupfs")
        })?;
        if answer.status.success() {
            return Ok(String::from_utf8_lossy(&answer.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        let fix = match self {
            Self::OfTheMachine => "look at systemctl status; or use the cgroupfs driver",
            Self::OfTheUser => "log in where systemd --user runs, with XDG_RUNTIME_DIR set",
        };
        Err(cannot().why(said).fix(fix))
    }
}
