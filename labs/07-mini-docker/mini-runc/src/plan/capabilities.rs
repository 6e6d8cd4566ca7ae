//! Capabilities: root's powers, one by one, in five sets.
//!
//! A container's root has fewer than the machine's. What may never be had again goes out of the
//! *bounding* set; *permitted* and *effective* are what the program has; *inheritable* and
//! *ambient* are what it hands on (man 7 capabilities).
//!
//! Asked for are at most those that we have ourselves: a machine that took CAP_SYS_RESOURCE from
//! everybody still runs containers, without it.

use std::str::FromStr;

use ground::{Errno, Explanation, Step};
use oci::runtime::Capabilities;

use super::{Context, Steps};
use crate::sys::{self, CapSets};

type Done = Result<(), Errno>;

/// The bit mask of capability names; unknown names are skipped, as the specification wants.
fn mask_of(names: &[String]) -> u64 {
    names
        .iter()
        .filter_map(|name| caps::Capability::from_str(&name.to_uppercase()).ok())
        .fold(0, |mask, capability| mask | capability.bitmask())
}

/// The names of a mask, in the kernel's order.
pub(crate) fn names_of(mask: u64) -> Vec<String> {
    let mut capabilities: Vec<_> = caps::all().into_iter().collect();
    capabilities.sort_by_key(caps::Capability::index);
    let has = |capability: &caps::Capability| mask & capability.bitmask() != 0;
    capabilities.into_iter().filter(has).map(|it| it.to_string()).collect()
}

/// The five sets, as the program gets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sets {
    bounding: u64,
    sets: CapSets,
    ambient: u64,
}

impl Sets {
    /// What is asked for, less what is not ours; nothing asked for is nothing given.
    pub(crate) fn of(asked: Option<&Capabilities>, ours: u64) -> Self {
        let mask = |choose: fn(&Capabilities) -> &Vec<String>| {
            asked.map_or(0, |asked| mask_of(choose(asked))) & ours
        };
        let permitted = mask(|it| &it.permitted);
        let inheritable = mask(|it| &it.inheritable);
        Self {
            bounding: mask(|it| &it.bounding),
            sets: CapSets {
                effective: mask(|it| &it.effective) & permitted,
                permitted,
                inheritable,
            },
            ambient: mask(|it| &it.ambient) & permitted & inheritable,
        }
    }
}

/// The bounding set; before the change of ids, because it takes CAP_SETPCAP.
pub(super) fn bounding(context: &Context<'_>, sets: Sets, steps: &mut Steps) {
    steps.add("mini-runc", Bounding { kept: sets.bounding, last: context.caller.last_capability });
}

/// The four other sets; after the change of ids, which takes them away.
pub(super) fn others(sets: Sets, steps: &mut Steps) {
    steps.add("mini-runc", CapSet(sets.sets));
    steps.add("mini-runc", Ambient(sets.ambient));
}

#[derive(Debug)]
struct Bounding {
    kept: u64,
    last: u8,
}

impl Step for Bounding {
    fn run(&self) -> Done {
        (0..=self.last)
            .filter(|capability| self.kept & (1 << capability) == 0)
            .try_for_each(sys::drop_bounding)
    }

    fn explain(&self) -> Explanation {
        let kept = names_of(self.kept);
        let count = kept.len();
        let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(" ") };
        Explanation::new(
            format!("prctl(PR_CAPBSET_DROP, ..) for all but {count}: {kept}"),
            "what is not in the bounding set can never be had again, not even by a set-user-ID file",
            "7 capabilities",
        )
    }
}

#[derive(Debug)]
struct CapSet(CapSets);

impl Step for CapSet {
    fn run(&self) -> Done {
        sys::capset(self.0)
    }

    fn explain(&self) -> Explanation {
        let CapSets { effective, permitted, inheritable } = self.0;
        Explanation::new(
            format!(
                "capset({{effective={effective:#x}, permitted={permitted:#x}, inheritable={inheritable:#x}}})"
            ),
            "after the last thing that needed more",
            "2 capset",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => Some("a capability is asked for that this process does not have"),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Ambient(u64);

impl Step for Ambient {
    fn run(&self) -> Done {
        sys::clear_ambient()?;
        (0..64).filter(|it| self.0 & (1 << it) != 0).try_for_each(sys::raise_ambient)
    }

    fn explain(&self) -> Explanation {
        let raised = names_of(self.0);
        let raised = if raised.is_empty() { "none".to_owned() } else { raised.join(" ") };
        Explanation::new(
            format!("prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL); raise {raised}"),
            "ambient capabilities are those that an ordinary user keeps across exec",
            "7 capabilities",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(names: &[&str]) -> Capabilities {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        Capabilities {
            bounding: names.clone(),
            effective: names.clone(),
            inheritable: Vec::new(),
            permitted: names.clone(),
            ambient: names,
        }
    }

    #[test]
    fn what_is_not_ours_is_not_given() {
        let kill = 1 << caps::Capability::CAP_KILL.index();
        let sets = Sets::of(Some(&asked(&["CAP_KILL", "CAP_SYS_RESOURCE"])), kill);
        assert_eq!((sets.bounding, sets.sets.permitted), (kill, kill));
    }

    #[test]
    fn ambient_needs_inheritable() {
        let sets = Sets::of(Some(&asked(&["CAP_KILL"])), u64::MAX);
        assert_eq!(sets.ambient, 0);
    }

    #[test]
    fn nothing_asked_for_is_nothing_given() {
        let sets = Sets::of(None, u64::MAX);
        assert_eq!((sets.bounding, sets.sets.permitted, sets.ambient), (0, 0, 0));
        assert_eq!(mask_of(&["CAP_NO_SUCH_THING".to_owned()]), 0);
    }
}
