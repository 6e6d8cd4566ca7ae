//! Scope: a group that systemd makes and counts among its units.
//!
//! Where systemd runs, the tree is its own: a group that it does not know of may lose its limits or
//! its controllers when it is told to reload. So an engine may ask for the systemd driver
//! (`--systemd-cgroup`), and the group is asked for over D-Bus:
//!
//! ```text
//!   mini-runc                         systemd (of the machine, or of the user)
//!   clone3: a process that only waits
//!   StartTransientUnit(box.scope) ──> mkdir, Delegate=yes: what is below is the runtime's
//!      PIDs=[that process]            and moves the process there
//!   limits, the container's process, as without systemd
//!   SIGKILL: the scope lives as long as anybody is in
//!   StopUnit(box.scope) ───────────── when the container is deleted
//! ```
//!
//! systemd has no word for a scope without a process; a process that waits makes the group before
//! the container needs it, so that all else stays as it is: clone3(2) into the group, limits before
//! the first instruction. The limits are told to systemd as well: it writes them again when it is
//! reloaded, and `systemctl show` tells the truth.
//!
//! D-Bus is spoken by busctl(1), which comes with systemd.
//!
//! Source: systemd.scope(5), org.freedesktop.systemd1(5), "Control Group APIs and Delegation".

mod bus;
mod properties;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use cgroups::{Hierarchies, Limits, Mode, Site, Version, devices::List};
use ground::{Error, Explanation, Result};
use namespaces::{Child, Kinds, Spawn};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use bus::Manager;
use properties::Property;

/// systemd works through its jobs one by one; a machine that boots has many.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// A unit of systemd's that is a container's group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scope {
    /// Its name: `docker-4f1c.scope`.
    unit: String,
    /// The unit around it: `system.slice`.
    slice: String,
    manager: Manager,
    /// Where the manager makes its groups; below the root of each tree.
    control_group: PathBuf,
}

/// What keeps a fresh scope alive until the container's process is in it.
#[derive(Debug)]
pub(crate) struct Anchor {
    // Killed and waited for when it is dropped.
    _waiting: Child,
}

impl Scope {
    /// The scope that config.json means. Nothing is made.
    ///
    /// # Errors
    /// systemd is not running, or cannot be asked; a cgroupsPath that is none of systemd's.
    pub(crate) fn of(cgroups_path: Option<&str>, id: &str, caller: &Caller) -> Result<Self> {
        let manager = match caller.is_root && !caller.in_user_namespace {
            true => Manager::OfTheMachine,
            false => Manager::OfTheUser,
        };
        manager.must_run()?;
        let (slice, unit) = names(cgroups_path, id, manager)?;
        let control_group = manager.control_group()?;
        Ok(Self { unit, slice, manager, control_group })
    }

    /// The scope's directory below the places of [`Scope::site`].
    pub(crate) fn path(&self) -> PathBuf {
        nested_slices(&self.slice).join(&self.unit)
    }

    /// The places where its manager makes groups.
    ///
    /// # Errors
    /// As [`Site::below`].
    pub(crate) fn site(&self) -> Result<Site> {
        Site::below(&self.control_group)
    }

    /// Has systemd make it, with these limits, and waits until the kernel says that it is there.
    ///
    /// # Errors
    /// What systemd answers; it did not do it in 30 s. The unit goes with its only process.
    pub(crate) fn begin(&self, limits: &Limits, devices: Option<&List>) -> Result<Anchor> {
        let waiting = Spawn::new(Kinds::NONE).stay().start()?;
        let mut properties = properties::of_every_scope(&self.unit, &self.slice, waiting.pid());
        properties.extend(properties::of_limits(limits, version()?));
        properties.extend(devices.into_iter().flat_map(properties::of_devices));
        self.manager.start_transient_unit(&self.unit, &properties)?;
        self.await_process(waiting.pid())?;
        Ok(Anchor { _waiting: waiting })
    }

    /// Takes a further process in, into every tree by which systemd tells whether a scope is empty.
    ///
    /// # Errors
    /// What systemd answers.
    pub(crate) fn take_in(&self, pid: Pid) -> Result<()> {
        self.manager.attach(&self.unit, pid)
    }

    /// Tells systemd of other limits.
    ///
    /// # Errors
    /// What systemd answers.
    pub(crate) fn update(&self, limits: &Limits) -> Result<()> {
        let properties: Vec<Property> = properties::of_limits(limits, version()?);
        if properties.is_empty() {
            return Ok(());
        }
        self.manager.set_properties(&self.unit, &properties)
    }

    /// Ends the unit. One that is gone is fine: systemd sees an empty scope by itself, sooner or
    /// later.
    pub(crate) fn end(&self) {
        self.manager.stop(&self.unit);
    }

    /// The call that makes it, for a plan.
    pub(crate) fn explain(&self) -> Explanation {
        Explanation::new(
            format!(
                "StartTransientUnit(\"{}\", \"replace\", [Slice={}, Delegate=true, PIDs=..])",
                self.unit, self.slice
            ),
            "systemd makes the group and hands it over: it will not touch what is below",
            "5 systemd.scope",
        )
    }

    /// The call of [`Scope::take_in`], for a plan.
    pub(crate) fn explain_take_in(&self) -> Explanation {
        Explanation::new(
            format!("AttachProcessesToUnit({:?}, \"\", [PID])", self.unit),
            "into the tree in which systemd counts a scope's processes",
            "5 systemd.scope",
        )
    }

    /// The answer to a call is a job's number; that it is done shows where the process is.
    fn await_process(&self, pid: Pid) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let unit = format!("/{}", self.unit);
        loop {
            let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            if groups.lines().any(|line| line.ends_with(&unit)) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(Error::new("systemd made no scope for the container")
                    .why(format!("after {} s {} has no process", PATIENCE.as_secs(), self.unit))
                    .see("5 systemd.scope")
                    .fix(format!("ask it: {} status {}", self.manager.systemctl(), self.unit)));
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

/// The version whose tree keeps the limits.
fn version() -> Result<Version> {
    Ok(match Hierarchies::of_this_process()?.mode() {
        Mode::V2 => Version::V2,
        Mode::V1 | Mode::Hybrid => Version::V1,
    })
}

/// Slice and scope of a cgroupsPath, `slice:prefix:name`, in runc's words where it is none.
fn names(cgroups_path: Option<&str>, id: &str, manager: Manager) -> Result<(String, String)> {
    let path = cgroups_path.filter(|path| !path.is_empty());
    let parts: Vec<&str> = path.map_or(vec!["", "mini-runc", id], |path| path.split(':').collect());
    let [slice, prefix, name] = parts[..] else {
        let path = path.unwrap_or_default();
        return Err(Error::new("config.json, linux.cgroupsPath: it names no scope")
            .why(format!(
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, \
                 got {path:?} instead"
            ))
            .see("5 systemd.slice")
            .fix("write \"system.slice:mini-runc:NAME\", or leave --systemd-cgroup out"));
    };
    let slice = if slice.is_empty() { manager.default_slice() } else { slice };
    check(slice)?;
    let unit = unit(prefix, name);
    check(&unit)?;
    Ok((slice.to_owned(), unit))
}

/// A unit's name never leads anywhere else (systemd.unit(5)).
fn check(unit: &str) -> Result<()> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || ":_.\\-@".contains(it);
    if unit.chars().all(allowed) && unit.len() <= 255 {
        return Ok(());
    }
    Err(Error::new("config.json, linux.cgroupsPath: it names no scope")
        .why(format!("{unit:?} cannot be the name of a unit"))
        .see("5 systemd.unit")
        .fix("letters, digits and : _ . \\ - @ are allowed, 255 at most"))
}

/// A name that is a slice or a scope already stays as it is.
pub(super) fn unit(prefix: &str, name: &str) -> String {
    match prefix {
        _ if name.ends_with(".slice") => name.to_owned(),
        "" => format!("{name}.scope"),
        prefix => format!("{prefix}-{name}.scope"),
    }
}

/// `a-b.slice` lies in `a.slice` (man 5 systemd.slice).
pub(super) fn nested_slices(slice: &str) -> PathBuf {
    let stem = slice.trim_end_matches(".slice");
    if stem == "-" {
        return PathBuf::new();
    }
    let ends = stem.match_indices('-').map(|(index, _)| index).chain([stem.len()]);
    ends.map(|end| format!("{}.slice", &stem[..end])).collect()
}

/// As a path relative to the root of each tree.
fn below_root(path: &str) -> PathBuf {
    Path::new(path.trim_start_matches('/')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn named(path: Option<&str>, expected: Option<(&str, &str)>) {
        let found = names(path, "box", Manager::OfTheMachine).ok();
        assert_eq!(found, expected.map(|(slice, unit)| (slice.to_owned(), unit.to_owned())));
    }

    #[test]
    fn a_scope_has_the_name_that_config_json_gives() {
        named(None, Some(("system.slice", "mini-runc-box.scope")));
        named(Some(":docker:4f1c"), Some(("system.slice", "docker-4f1c.scope")));
        named(Some("machine.slice:libpod:4f1c"), Some(("machine.slice", "libpod-4f1c.scope")));
        named(Some("user.slice::4f1c"), Some(("user.slice", "4f1c.scope")));
        named(Some("/docker/4f1c"), None);
        named(Some("system.slice:a/../b:4f1c"), None);
    }

    #[test]
    fn a_slice_lies_in_the_one_it_is_named_after() {
        assert_eq!(nested_slices("user-1000.slice"), Path::new("user.slice/user-1000.slice"));
        assert_eq!(nested_slices("-.slice"), Path::new(""));
    }
}
