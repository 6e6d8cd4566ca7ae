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

use std::path::PathBuf;

use ground::Result;
use namespaces::{Kind, Kinds, Spawn};

use crate::{BecomeRoot, JoinCgroups, Surroundings, Target, Way};

/// What of a process is to be joined.
#[derive(Debug, Clone)]
pub struct Enter {
    /// Its namespaces of these kinds; those that we share with it are left out.
    pub kinds: Kinds,
    /// How they are named to the kernel.
    pub way: Way,
    /// The directories of its control groups, none to stay in our own.
    pub cgroups: Vec<PathBuf>,
    /// Whether the ids outside are kept in a joined user namespace, else they become 0.
    pub keep_ids: bool,
}

impl Enter {
    /// Its namespaces of these kinds, in the best way, and no control group.
    pub fn kinds(kinds: Kinds) -> Self {
        Self { kinds, way: Way::best(), cgroups: Vec::new(), keep_ids: false }
    }
}

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
    if !what.cgroups.is_empty() {
        spawn = spawn.step(JoinCgroups::at(&what.cgroups)?);
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
