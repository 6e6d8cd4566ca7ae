//! Identity: who the program is and what it may, in the one order that works.
//!
//! Each change takes away what the one before needed: limits want CAP_SYS_RESOURCE; the bounding set
//! wants CAP_SETPCAP; ids want CAP_SETUID, and a change to an ordinary user empties the capability
//! sets unless SECBIT_KEEP_CAPS is set; a filter without no_new_privs wants CAP_SYS_ADMIN; so the
//! sets come last.
//!
//! Source: runtime specification, config.md, "User", "Linux process"; capabilities(7).

use ground::{Errno, Explanation, Result, Step};
use nix::{
    sys::{prctl, stat::fstat},
    unistd::{self, Gid, Uid, fchown},
};
use oci::runtime::{Process, User};
use rootfs::{Chdir, Umask, c_path};

use super::{Context, Steps, capabilities, limits, memory_policy, scheduling};

type Done = std::result::Result<(), Errno>;

/// # Errors
/// An rlimit without meaning, a path with a NUL byte.
pub(super) fn steps(
    context: &Context<'_>,
    filter: Option<super::seccomp::Filter>,
    steps: &mut Steps,
) -> Result<()> {
    let ours = if context.makes(oci::runtime::NamespaceKind::User) {
        u64::MAX
    } else {
        context.caller.bounding
    };
    let sets = capabilities::Sets::of(context.process.capabilities.as_ref(), ours);
    let may_raise = context.caller.may_raise_limits;
    limits::steps(&context.process.rlimits, may_raise, steps)?;
    scheduling::steps(context.process, steps)?;
    memory_policy::steps(context.linux.memory_policy.as_ref(), steps)?;
    let setgroups = context.may_set_groups();
    become_user(context, sets, filter, setgroups, steps)
}

fn become_user(
    context: &Context<'_>,
    sets: capabilities::Sets,
    filter: Option<super::seccomp::Filter>,
    setgroups: bool,
    steps: &mut Steps,
) -> Result<()> {
    let process: &Process = context.process;
    if process.no_new_privileges {
        steps.add("mini-runc", NoNewPrivileges);
    }
    // In the working directory before the change of ids: root may enter where the user may not.
    steps.add("lab-03", Chdir::new(c_path(&process.cwd)?, "process.cwd"));
    steps.add("mini-runc", InsideRoot);
    capabilities::bounding(context, sets, steps);
    if !process.terminal || process.user.uid != 0 {
        steps.add("mini-runc", OwnStreams(process.user.uid));
    }
    steps.add("mini-runc", SetUser::new(&process.user, setgroups));
    if let Some(filter) = filter {
        if process.user.uid != 0 {
            steps.add("mini-runc", PowerAgain);
        }
        steps.add("mini-runc", filter);
    }
    capabilities::others(sets, steps);
    steps.add("lab-03", Umask(process.user.umask.unwrap_or(0o022)));
    Ok(())
}

/// `prctl(PR_SET_NO_NEW_PRIVS, 1)`.
#[derive(Debug)]
struct NoNewPrivileges;

impl Step for NoNewPrivileges {
    fn run(&self) -> Done {
        prctl::set_no_new_privs()
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "prctl(PR_SET_NO_NEW_PRIVS, 1)",
            "set-user-ID files no longer give anything: no way back up",
            "2 PR_SET_NO_NEW_PRIVS",
        )
    }
}

/// Makes all effective again that is permitted.
///
/// Becoming an ordinary user keeps the permitted set (SECBIT_KEEP_CAPS) and empties the effective
/// one, and a filter without no_new_privs takes CAP_SYS_ADMIN in the latter.
#[derive(Debug)]
struct PowerAgain;

impl Step for PowerAgain {
    fn run(&self) -> Done {
        crate::sys::raise_permitted()
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "capset({effective=permitted})",
            "the change to an ordinary user emptied the effective set, and the filter needs it once more",
            "7 capabilities",
        )
    }
}

/// Checks that the working directory is below the root.
///
/// A descriptor of a host directory that leaked in, and a cwd of `/proc/self/fd/7`, once led out of
/// the container (CVE-2024-21626). The kernel knows: getcwd(2) then has no path to give.
#[derive(Debug)]
struct InsideRoot;

impl Step for InsideRoot {
    fn run(&self) -> Done {
        let mut path = [0u8; libc::PATH_MAX as usize];
        let length = crate::sys::getcwd(&mut path)?;
        match path[..length].first() {
            Some(b'/') => Ok(()),
            _ => Err(Errno::EXDEV),
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "getcwd() begins with \"/\"",
            "a directory outside the root has no path: a leaked descriptor would lead out",
            "2 getcwd",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EXDEV | Errno::ENOENT => {
                Some("process.cwd leads out of the container: name a directory of the image")
            }
            _ => None,
        }
    }
}

/// Gives descriptors 0, 1 and 2 to the user that the program becomes, so that it can reopen
/// /dev/stderr; not /dev/null, which belongs to everybody.
#[derive(Debug)]
struct OwnStreams(u32);

/// The device number of /dev/null.
const NULL: (u64, u64) = (1, 3);

impl Step for OwnStreams {
    fn run(&self) -> Done {
        for stream in [0, 1, 2].map(crate::sys::stream) {
            let Ok(stat) = fstat(stream) else { continue };
            let number = (nix::sys::stat::major(stat.st_rdev), nix::sys::stat::minor(stat.st_rdev));
            if number == NULL || stat.st_uid == self.0 {
                continue;
            }
            match fchown(stream, Some(Uid::from_raw(self.0)), None) {
                // Not ours to give (user namespaces), or on a read-only file system: then not.
                Ok(()) | Err(Errno::EPERM | Errno::EINVAL | Errno::EROFS) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("fchown(0..2, {}, -1)", self.0),
            "the program may reopen /dev/stdout and /dev/stderr",
            "2 fchown",
        )
    }
}

/// Supplementary groups, group, user.
#[derive(Debug)]
pub(crate) struct SetUser {
    uid: Uid,
    gid: Gid,
    groups: Option<Vec<Gid>>,
}

impl SetUser {
    /// `setgroups` is false in a user namespace that has denied it: then there are none to set.
    pub(crate) fn new(user: &User, setgroups: bool) -> Self {
        let groups = user.additional_gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
        Self {
            uid: Uid::from_raw(user.uid),
            gid: Gid::from_raw(user.gid),
            groups: (setgroups || !user.additional_gids.is_empty()).then_some(groups),
        }
    }
}

impl Step for SetUser {
    fn run(&self) -> Done {
        prctl::set_keepcaps(true)?;
        if let Some(groups) = &self.groups {
            unistd::setgroups(groups)?;
        }
        unistd::setresgid(self.gid, self.gid, self.gid)?;
        unistd::setresuid(self.uid, self.uid, self.uid)?;
        prctl::set_keepcaps(false)
    }

    fn explain(&self) -> Explanation {
        let groups = match &self.groups {
            Some(groups) => {
                let groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
                format!("setgroups([{}]); ", groups.join(", "))
            }
            None => String::new(),
        };
        Explanation::new(
            format!("{groups}setresgid({0}, ..); setresuid({1}, ..)", self.gid, self.uid),
            "groups first: an ordinary user may not change them; the caller's must not stay",
            "7 credentials",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EINVAL => {
                Some("this user or group has no id in the user namespace: map it, or be another")
            }
            Errno::EPERM => Some(
                "setgroups is denied in this user namespace: leave additionalGids out, or map ids with newuidmap (/etc/subuid)",
            ),
            _ => None,
        }
    }
}
