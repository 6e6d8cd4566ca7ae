//! Remarks: where a container gets less than its config.json asks for, said in so many words.
//!
//! What would make a container weaker than asked for is refused where it is planned. What is left
//! here makes it slower, poorer or less fair, and a machine that cannot give it is no reason to
//! fail: the caller has no CAP_SYS_RESOURCE, the kernel has no such knob.

use std::str::FromStr;

use nix::sys::resource::getrlimit;
use oci::runtime::{Capabilities, Linux, Process, Rlimit, Spec, Version};

use crate::{caller::Caller, plan};

/// The newest version of the specification whose fields are known here: 1.3.
const NEWEST_MINOR: u32 = 3;

/// What is to be said about a container before it is made.
pub(crate) fn of_container(
    spec: &Spec,
    process: &Process,
    linux: &Linux,
    caller: &Caller,
) -> Vec<String> {
    let mut remarks: Vec<String> = newer(&spec.oci_version).into_iter().collect();
    remarks.extend(flags(linux));
    remarks.extend(of_process(process, caller));
    remarks
}

/// What is to be said about a process, the first or one that joins.
pub(crate) fn of_process(process: &Process, caller: &Caller) -> Vec<String> {
    let capabilities = process.capabilities.iter().flat_map(unknown);
    let limits = process.rlimits.iter().filter(|_| !caller.may_raise_limits).filter_map(lowered);
    let score = process.oom_score_adj.zip(caller.oom_score_adj_min);
    let score = score.filter(|(asked, lowest)| asked < lowest).map(|(asked, lowest)| {
        format!("process.oomScoreAdj {asked} becomes {lowest}: to go lower takes CAP_SYS_RESOURCE")
    });
    capabilities.chain(limits).chain(score).collect()
}

fn newer(version: &str) -> Option<String> {
    let parsed: Version = version.parse().ok()?;
    (parsed.minor > NEWEST_MINOR).then(|| {
        format!("config.json follows {version}, and what is newer than 1.{NEWEST_MINOR} is not known here")
    })
}

/// A capability that is no capability, once, in whichever sets it is.
fn unknown(sets: &Capabilities) -> Vec<String> {
    let Capabilities { bounding, effective, inheritable, permitted, ambient } = sets;
    let all = [bounding, effective, inheritable, permitted, ambient].into_iter().flatten();
    let none = |name: &&String| caps::Capability::from_str(&name.to_uppercase()).is_err();
    let mut names: Vec<_> = all.filter(none).cloned().collect();
    names.sort();
    names.dedup();
    names.into_iter().map(|it| format!("there is no capability {it:?}: it is left out")).collect()
}

/// A limit that ends lower than asked for, because nobody here may raise it.
fn lowered(asked: &Rlimit) -> Option<String> {
    let (_, ours) = getrlimit(plan::resource(&asked.kind)?).ok()?;
    (asked.hard > ours).then(|| {
        format!(
            "{} becomes {ours} and not {}: to raise it takes CAP_SYS_RESOURCE",
            asked.kind, asked.hard
        )
    })
}

/// The specification defines no flags yet, and whoever writes one means something.
fn flags(linux: &Linux) -> Option<String> {
    let flags = &linux.personality.as_ref()?.flags;
    (!flags.is_empty()).then(|| format!("linux.personality.flags has no effect: {flags:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_execution_domain_are_named() {
        let linux = |json: &str| serde_json::from_str::<Linux>(json).unwrap();
        assert_eq!(flags(&linux(r#"{"personality": {"domain": "LINUX"}}"#)), None);
        let some = r#"{"personality": {"domain": "LINUX", "flags": ["X"]}}"#;
        assert!(flags(&linux(some)).unwrap().contains("\"X\""));
    }

    #[test]
    fn only_a_newer_version_is_worth_a_word() {
        assert_eq!(newer("1.3.5"), None);
        assert!(newer("1.4.0").is_some());
    }

    #[test]
    fn an_unknown_capability_is_named_once() {
        let names = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        let sets = Capabilities {
            bounding: names(&["CAP_X", "CAP_KILL"]),
            effective: names(&["CAP_X"]),
            ..Capabilities::default()
        };
        assert_eq!(unknown(&sets), ["there is no capability \"CAP_X\": it is left out"]);
    }

    #[test]
    fn a_limit_that_cannot_be_raised_is_named() {
        let limit = |hard| Rlimit { kind: "RLIMIT_NOFILE".to_owned(), soft: 0, hard };
        assert!(lowered(&limit(u64::MAX - 1)).is_some());
        assert_eq!(lowered(&limit(0)), None);
    }
}
