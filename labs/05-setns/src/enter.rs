//! Entering: what `docker exec` does, as the plan of a process.
//!
//! ```text
//!   1 control groups      while their files are in reach
//!   2 namespaces          setns(2), by one thread
//!   3 fork                if a PID namespace was joined: only a child is in it
//!   4 root, directory     opened before 2, entered after it
//!   5 ids                 if a user namespace was joined
//!   6 whatever the caller adds: capabilities, limits, exec
//! ```

use cgroups::Group;
use ground::Result;
use namespaces::{Kind, Kinds, Spawn};

use crate::{BecomeRoot, Surroundings, Target, Way};

/// What of a process is to be joined.
#[derive(Debug, Clone)]
pub struct Enter {
    /// Its namespaces of these kinds; those that we share with it are left out.
    pub kinds: Kinds,
    /// How they are named to the kernel.
    pub way: Way,
    /// The control group to be counted in, as [`Group::of_process`] or the one that a container was
    /// made in; `None` to stay in our own. setns(2) with CLONE_NEWCGROUP only changes where the tree
    /// *seems* to begin, and a limit that the second process escapes is no limit.
    pub cgroup: Option<Group>,
    /// Whether the ids outside are kept in a joined user namespace, else they become 0.
    pub keep_ids: bool,
}

impl Enter {
    /// Its namespaces of these kinds, in the best way, and no control group.
    pub fn kinds(kinds: Kinds) -> Self {
        Self { kinds, way: Way::best(), cgroup: None, keep_ids: false }
    }
}

// ANCHOR: enter
/// Plans a process beside `target`; the caller adds the last steps and starts it.
///
/// With the mount namespace come root and working directory of `target`. The [`namespaces::Child`]
/// is our child, also where it forked to get into a PID namespace, and lives in the PID namespace
/// while we do not: its `pid()` is the number outside.
///
/// # Errors
/// ESRCH when `target` has ended, EACCES when we may not look at it. What the kernel has against
/// the joining is said by [`Spawn::start`].
pub fn enter<'a>(target: &'a Target, what: &Enter) -> Result<Spawn<'a>> {
    let kinds = target.elsewhere(what.kinds)?;
    let mut spawn = Spawn::new(Kinds::NONE);
    for step in what.cgroup.as_ref().map_or(Ok(Vec::new()), Group::join)? {
        spawn = spawn.step(step);
    }
    spawn.steps.extend(what.way.steps(target, kinds)?);
    if kinds.contains(Kind::Pid) {
        spawn = spawn.fork();
    }
    if kinds.contains(Kind::Mount) {
        spawn = spawn.step(Surroundings::of(target)?);
    }
    if kinds.contains(Kind::User) && !what.keep_ids {
        spawn = spawn.step(BecomeRoot::of(target));
    }
    target.check_alive()?;
    Ok(spawn)
}
// ANCHOR_END: enter
