//! Rlimits: what a single process may use (the group's limits are the cgroup's).
//!
//! Source: runtime specification, config.md, "Process", `rlimits`; setrlimit(2).

use ground::{Errno, Error, Explanation, Result, Step};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use oci::runtime::Rlimit;

use super::Steps;

const NAMES: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::RLIMIT_AS),
    ("RLIMIT_CORE", Resource::RLIMIT_CORE),
    ("RLIMIT_CPU", Resource::RLIMIT_CPU),
    ("RLIMIT_DATA", Resource::RLIMIT_DATA),
    ("RLIMIT_FSIZE", Resource::RLIMIT_FSIZE),
    ("RLIMIT_LOCKS", Resource::RLIMIT_LOCKS),
    ("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK),
    ("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE),
    ("RLIMIT_NICE", Resource::RLIMIT_NICE),
    ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE),
    ("RLIMIT_NPROC", Resource::RLIMIT_NPROC),
    ("RLIMIT_RSS", Resource::RLIMIT_RSS),
    ("RLIMIT_RTPRIO", Resource::RLIMIT_RTPRIO),
    ("RLIMIT_RTTIME", Resource::RLIMIT_RTTIME),
    ("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING),
    ("RLIMIT_STACK", Resource::RLIMIT_STACK),
];

/// The kernel's limit of this name.
pub(crate) fn resource(name: &str) -> Option<Resource> {
    NAMES.iter().find(|(it, _)| *it == name).map(|(_, resource)| *resource)
}

/// # Errors
/// An unknown name, one that comes twice, a soft limit above the hard one.
pub(crate) fn steps(rlimits: &[Rlimit], may_raise: bool, steps: &mut Steps) -> Result<()> {
    for (index, rlimit) in rlimits.iter().enumerate() {
        let Rlimit { kind, hard, soft } = rlimit;
        let invalid = |why: &str, fix: &str| {
            Err(Error::new(format!("cannot set the limit {kind:?}"))
                .why(format!("config.json, process.rlimits[{index}]: {why}"))
                .see("2 setrlimit")
                .fix(fix))
        };
        let Some((name, resource)) = NAMES.iter().find(|(name, _)| name == kind) else {
            return invalid(
                "there is no such limit",
                "RLIMIT_NOFILE is one; the page lists them all",
            );
        };
        if rlimits[..index].iter().any(|before| before.kind == *kind) {
            return invalid("it is there twice", "give each limit once");
        }
        if soft > hard {
            return invalid("soft is above hard", "give a soft limit of at most the hard one");
        }
        let (soft, hard) = (*soft, *hard);
        let from = steps.0.len();
        steps.add("mini-runc", SetRlimit { name, resource: *resource, soft, hard, may_raise });
        steps.placed(from, &format!("process.rlimits[{index}]"));
    }
    Ok(())
}

#[derive(Debug)]
struct SetRlimit {
    name: &'static str,
    resource: Resource,
    soft: u64,
    hard: u64,
    may_raise: bool,
}

impl Step for SetRlimit {
    fn run(&self) -> std::result::Result<(), Errno> {
        match setrlimit(self.resource, self.soft, self.hard) {
            // Without CAP_SYS_RESOURCE on the whole machine nobody can raise it: then as much as
            // can be had. Someone who could have raised it gets the error.
            Err(Errno::EPERM) if !self.may_raise => {
                let (_, ours) = getrlimit(self.resource)?;
                setrlimit(self.resource, self.soft.min(ours), self.hard.min(ours))
            }
            set => set,
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("setrlimit({}, {{{}, {}}})", self.name, self.soft, self.hard),
            "before the capabilities go: raising a hard limit takes CAP_SYS_RESOURCE",
            "2 setrlimit",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM => {
                Some("ask for at most the hard limit we have (ulimit -H), or run as root")
            }
            Errno::EINVAL => Some("the soft limit is above the hard one"),
            _ => None,
        }
    }
}
