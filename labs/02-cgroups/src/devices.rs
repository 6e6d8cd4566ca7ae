//! Devices: which nodes a group may open or make.
//!
//! v1 has a controller with a list of rules; v2 has none, but asks a BPF program that is attached
//! to the group. Rules, one after the other, come to one [`List`], and that becomes either: lines for
//! v1 ([`Rule::line`]), or a program made in `filter.rs` that decides as v1 would. What no rule names
//! is allowed, as in a fresh group, so rules should begin with one about everything, as engines write
//! them.
//!
//! Source: the kernel's admin-guide/cgroup-v1/devices.rst; cgroup-v2.rst, "Device controller".

mod filter;
mod list;

use std::os::fd::AsFd;

use ground::{Errno, Error, Explanation, Result};

use crate::{Controller, Group, sys};

pub use list::{Hole, List};

/// In the place of a major or minor number: every one.
pub const ANY: Option<u32> = None;

/// One rule about device nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether it is allowed or denied.
    pub allow: bool,
    /// What kind of device.
    pub kind: Kind,
    /// The major number, or [`ANY`].
    pub major: Option<u32>,
    /// The minor number, or [`ANY`].
    pub minor: Option<u32>,
    /// In which ways.
    pub access: Access,
}

/// The kinds of device nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Both.
    All,
    /// Block devices.
    Block,
    /// Character devices.
    Char,
}

/// Ways to use a node, as bits: 1 makes it (mknod(2)), 2 reads, 4 writes; those of linux/bpf.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(pub(crate) u8);

impl Access {
    /// `rwm`
    pub const ALL: Self = Self(7);

    /// As letters, in the kernel's order.
    pub fn letters(self) -> String {
        let letters = [('r', 2), ('w', 4), ('m', 1)];
        letters.iter().filter(|(_, bit)| self.0 & bit != 0).map(|(letter, _)| letter).collect()
    }

    /// From letters of `rwm`; `None` for any other.
    pub fn of(letters: &str) -> Option<Self> {
        let bit = |letter| match letter {
            'm' => Some(1),
            'r' => Some(2),
            'w' => Some(4),
            _ => None,
        };
        letters.chars().map(bit).try_fold(0, |all, bit| Some(all | bit?)).map(Self)
    }
}

impl Rule {
    /// Allows everything.
    pub const EVERYTHING: Self =
        Self { allow: true, kind: Kind::All, major: ANY, minor: ANY, access: Access::ALL };

    /// A line of v1's `devices.allow` or `devices.deny`.
    pub fn line(&self) -> String {
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |it| it.to_string());
        let kind = match self.kind {
            Kind::All => 'a',
            Kind::Block => 'b',
            Kind::Char => 'c',
        };
        format!("{kind} {}:{} {}", number(self.major), number(self.minor), self.access.letters())
    }
}

/// Whether rules are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// By the kernel.
    Enforced,
    /// By nobody: attaching a program takes CAP_BPF of the machine, and this is at best the root of
    /// a user namespace. It cannot make nodes either.
    NotOurs,
}

impl Group {
    /// Has the kernel keep this list, from now on and for as long as the group stays. On v1 it takes
    /// the place of the one that is there, if it begins with everything, and otherwise adds to it; on
    /// v2 each call adds a program, and all of them must agree.
    ///
    /// # Errors
    /// No v1 devices controller and no v2 group; a kernel without BPF for cgroups (EINVAL).
    pub fn control_devices(&self, list: &List) -> Result<Control> {
        if self.part_of(Controller::Devices).is_none()
            && let Some(group) = self.dir_fd()?
        {
            return attached(sys::attach_device_filter(group.as_fd(), &filter::compile(list)));
        }
        for rule in list.rules() {
            self.write(Controller::Devices, file(&rule), &rule.line())?;
        }
        Ok(Control::Enforced)
    }

    /// The calls of [`Group::control_devices`], for a plan: the group need not be there.
    pub fn explain_devices(&self, list: &List) -> Vec<Explanation> {
        let why = "which devices may be opened; the last rule about a device counts";
        let Some(dir) = self.dir_of(Controller::Devices) else {
            let length = filter::compile(list).len();
            let program = format!("{{BPF_PROG_TYPE_CGROUP_DEVICE, {length} instructions}}");
            let load = format!("bpf(BPF_PROG_LOAD, {program})");
            let dirs = self.directories().map(|(dir, ..)| dir.display().to_string());
            let target = dirs.collect::<String>();
            let attach = format!("bpf(BPF_PROG_ATTACH, {{{target:?}, BPF_CGROUP_DEVICE}})");
            let asked = "the kernel asks it whenever a process of the group opens a device";
            return vec![
                Explanation::new(load, why, "2 bpf"),
                Explanation::new(attach, asked, "2 bpf"),
            ];
        };
        let write = |rule: Rule| {
            let path = dir.join(file(&rule));
            Explanation::new(format!("write({path:?}, {:?})", rule.line()), why, "7 cgroups")
        };
        list.rules().map(write).collect()
    }
}

fn file(rule: &Rule) -> &'static str {
    if rule.allow { "devices.allow" } else { "devices.deny" }
}

fn attached(done: Result<(), Errno>) -> Result<Control> {
    match done {
        Ok(()) => Ok(Control::Enforced),
        Err(Errno::EPERM) => Ok(Control::NotOurs),
        Err(errno) => Err(Error::new("cannot limit the devices of a group")
            .call("bpf(BPF_PROG_ATTACH, {BPF_CGROUP_DEVICE, ..})", errno)
            .see("2 bpf")
            .fix("the kernel needs CONFIG_CGROUP_BPF; or leave the rules out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_becomes_a_line() {
        let all = Rule { allow: false, ..Rule::EVERYTHING };
        assert_eq!(all.line(), "a *:* rwm");
        let access = Access::of("rw").unwrap();
        let fuse =
            Rule { allow: true, kind: Kind::Char, major: Some(10), minor: Some(229), access };
        assert_eq!(fuse.line(), "c 10:229 rw");
        assert_eq!(Access::of("rx"), None);
    }
}
