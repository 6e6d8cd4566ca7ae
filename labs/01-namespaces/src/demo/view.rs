//! A view: what a process sees when it looks around by system calls.

use std::{collections::BTreeMap, fs};

use ground::{Error, Result};
use namespaces::time::Clocks;
use nix::{
    ifaddrs::getifaddrs,
    net::if_::InterfaceFlags,
    sys::utsname::uname,
    unistd::{getgid, getpid, getppid, getuid},
};

/// Facts by name.
#[derive(Debug, Default)]
pub struct View(BTreeMap<String, String>);

impl View {
    /// What the calling process sees.
    pub fn here() -> Result<Self> {
        let machine = uname()
            .map_err(|errno| Error::new("cannot ask the kernel").call("uname(..)", errno))?;
        let Clocks { monotonic_ns, boottime_ns, realtime_ns } = Clocks::now()?;
        let facts = [
            ("nodename", machine.nodename().to_string_lossy().into_owned()),
            ("release", machine.release().to_string_lossy().into_owned()),
            ("version", machine.version().to_string_lossy().into_owned()),
            ("pid", getpid().to_string()),
            ("ppid", getppid().to_string()),
            ("uid", getuid().to_string()),
            ("gid", getgid().to_string()),
            ("monotonic", monotonic_ns.to_string()),
            ("boottime", boottime_ns.to_string()),
            ("realtime", realtime_ns.to_string()),
            ("interfaces", interfaces()),
            ("cgroups", cgroups()),
        ];
        Ok(Self(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// Adds a fact.
    pub fn add(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    /// A fact as text; empty where it is not known.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A fact that is a number.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, name: &str) -> Result<i64> {
        let value = self.get(name);
        value.parse().map_err(|_| {
            Error::new(format!("cannot read {name}")).why(format!("{value:?} is no number"))
        })
    }

    /// A line a fact.
    pub fn to_lines(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// The facts of such lines.
    pub fn from_lines(lines: impl Iterator<Item = String>) -> Self {
        let facts = lines.filter_map(|line| {
            line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        Self(facts.collect())
    }
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
    found.join(", ")
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
    fn a_view_survives_the_pipe() {
        let view = View::here().unwrap();
        let read = View::from_lines(view.to_lines().lines().map(str::to_owned));
        assert_eq!(read.0, view.0);
        assert_eq!(read.number("pid").unwrap(), i64::from(std::process::id()));
    }
}
