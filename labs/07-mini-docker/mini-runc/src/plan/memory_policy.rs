//! Memory policy: from which NUMA nodes the program's memory comes.
//!
//! The group's cpuset says from which it may come; this says which of those are taken first.
//!
//! Source: runtime specification, config-linux.md, "Memory policy"; man 2 set_mempolicy.

use ground::{Errno, Error, Explanation, Result, Step};
use oci::runtime::MemoryPolicy;

use super::{Steps, list};
use crate::sys;

/// The modes of linux/mempolicy.h, and whether each wants nodes: yes, no, or as you like.
const MODES: [(&str, i32, Option<bool>); 7] = [
    ("MPOL_DEFAULT", 0, Some(false)),
    ("MPOL_PREFERRED", 1, None),
    ("MPOL_BIND", 2, Some(true)),
    ("MPOL_INTERLEAVE", 3, Some(true)),
    ("MPOL_LOCAL", 4, Some(false)),
    ("MPOL_PREFERRED_MANY", 5, Some(true)),
    ("MPOL_WEIGHTED_INTERLEAVE", 6, Some(true)),
];

const FLAGS: [(&str, i32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// The modes by name, for `features`.
pub(crate) fn modes() -> [&'static str; 7] {
    MODES.map(|(name, ..)| name)
}

/// The flags by name.
pub(crate) fn flags() -> [&'static str; 3] {
    FLAGS.map(|(name, _)| name)
}

/// # Errors
/// A mode or a flag that is none, nodes where the mode has none, or none where it needs some.
pub(super) fn steps(asked: Option<&MemoryPolicy>, steps: &mut Steps) -> Result<()> {
    if let Some(asked) = asked.filter(|it| !it.mode.is_empty()) {
        steps.add("mini-runc", SetMemoryPolicy::new(asked)?);
    }
    Ok(())
}

#[derive(Debug)]
struct SetMemoryPolicy {
    mode: i32,
    nodes: Vec<u64>,
    told: String,
}

impl SetMemoryPolicy {
    fn new(asked: &MemoryPolicy) -> Result<Self> {
        let Some((_, mode, wants)) = MODES.iter().find(|(name, ..)| *name == asked.mode) else {
            let names = MODES.map(|(name, ..)| name).join(", ");
            return Err(refused(format!("there is no mode {:?}", asked.mode), names));
        };
        let list = asked.nodes.as_deref().unwrap_or_default();
        let nodes = mask(&list::numbers("linux.memoryPolicy.nodes", list)?);
        if wants.is_some_and(|wants| wants == nodes.is_empty()) {
            let (why, fix) = if nodes.is_empty() {
                ("wants nodes, and there are none", "name them: \"nodes\": \"0-1\"")
            } else {
                ("takes no nodes", "leave `nodes` out, or use MPOL_BIND")
            };
            return Err(refused(format!("{} {why}", asked.mode), fix.to_owned()));
        }
        let mut told = asked.mode.clone();
        let mut mode = *mode;
        for flag in &asked.flags {
            let Some((name, bit)) = FLAGS.iter().find(|(name, _)| name == flag) else {
                let names = FLAGS.map(|(name, _)| name).join(", ");
                return Err(refused(format!("there is no flag {flag:?}"), names));
            };
            mode |= bit;
            told = format!("{told}|{name}");
        }
        Ok(Self { mode, nodes, told: format!("{told}, {{{list}}}") })
    }
}

fn refused(why: String, fix: String) -> Error {
    Error::new("cannot set the memory policy")
        .why(format!("config.json, linux.memoryPolicy: {why}"))
        .see("2 set_mempolicy")
        .fix(fix)
}

fn mask(nodes: &[usize]) -> Vec<u64> {
    let mut mask = vec![0; nodes.last().map_or(0, |last| last / 64 + 1)];
    nodes.iter().for_each(|node| mask[node / 64] |= 1 << (node % 64));
    mask
}

impl Step for SetMemoryPolicy {
    fn run(&self) -> std::result::Result<(), Errno> {
        sys::set_mempolicy(self.mode, &self.nodes)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("set_mempolicy({}, ..)", self.told),
            "linux.memoryPolicy: kept across exec, and inherited by what the program starts",
            "2 set_mempolicy",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EINVAL => Some(
                "a node is not there (numactl --hardware), is not in the cpuset of the group, or the \
                 flags do not go together",
            ),
            Errno::ENOSYS => Some("this kernel was built without CONFIG_NUMA"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: &str, nodes: &str, flags: &[&str]) -> Result<SetMemoryPolicy> {
        SetMemoryPolicy::new(&MemoryPolicy {
            mode: mode.to_owned(),
            nodes: Some(nodes.to_owned()),
            flags: flags.iter().map(|it| (*it).to_owned()).collect(),
        })
    }

    #[test]
    fn nodes_are_bits_and_flags_are_part_of_the_mode() {
        let step = policy("MPOL_BIND", "0,65", &["MPOL_F_STATIC_NODES"]).unwrap();
        assert_eq!((step.mode, step.nodes.as_slice()), (2 | 1 << 15, &[1, 2][..]));
    }

    #[test]
    fn some_modes_want_nodes_and_some_refuse_them() {
        for (mode, nodes) in [("MPOL_BIND", ""), ("MPOL_DEFAULT", "0"), ("MPOL_X", "0")] {
            assert!(policy(mode, nodes, &[]).is_err(), "{mode} {nodes:?}");
        }
        for (mode, nodes) in [("MPOL_PREFERRED", ""), ("MPOL_PREFERRED", "0"), ("MPOL_LOCAL", "")] {
            assert!(policy(mode, nodes, &[]).is_ok(), "{mode} {nodes:?}");
        }
        assert!(policy("MPOL_BIND", "0", &["MPOL_F_X"]).is_err());
    }
}
