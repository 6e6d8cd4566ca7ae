//! Temporary groups: gone with the value, or with the maker, and swept up when all of that failed.
//!
//! Namespaces die with their last process; a group stays. So a temporary group has a guardian that
//! ends it when its maker is killed ([`super::guardian`]). Should that be killed as well: the group
//! is named after its maker, `lab-<pid>-<what>`, and the maker holds a lock (flock(2)) on its
//! directory. A group whose maker is dead and whose lock is free is nobody's: [`sweep`] removes it.
//! The process id alone would not do: from inside another PID namespace every maker looks dead.

use std::{
    fs::{self, File},
    ops::Deref,
    os::fd::OwnedFd,
    path::Path,
};

use ground::{Errno, Explanation, Result};
use namespaces::pidfd;
use nix::{
    sys::signal::kill,
    unistd::{Pid, getpid},
};

use super::guardian::Guardian;
use crate::{Controllers, Group, Site, group::children};

/// A group that is removed, with all that is in it, when the value is dropped.
#[derive(Debug)]
pub struct Temporary {
    group: Group,
    /// Dropped after the group is removed: until then it is needed.
    _guardian: Option<Guardian>,
    /// Sign of life; closed on exec, released by the kernel when we die.
    _locks: Vec<File>,
}

impl Temporary {
    /// The name of a temporary group of this process.
    pub fn name(what: &str) -> String {
        format!("lab-{}-{what}", std::process::id())
    }

    /// Makes the group `lab-<pid>-<what>`, which goes even if we are killed: a guardian sees to it.
    /// The program's `main` must begin with [`super::door`].
    ///
    /// # Errors
    /// As [`Group::create`]; this process has threads, and cannot start a guardian.
    pub fn guarded(site: &Site, what: &str, needed: &Controllers) -> Result<Self> {
        Self::guarded_until(pidfd::open(getpid())?, site, what, needed)
    }

    /// As [`Temporary::guarded`], with another process to outlive than the maker. Where somebody
    /// else makes groups below this one, the guardian has to wait for *his* end: what is removed
    /// earlier is made again by a late mkdir(2). The first process of a PID namespace stands for
    /// all in it, because its pidfd tells its end only after the others'.
    ///
    /// # Errors
    /// As [`Temporary::guarded`].
    pub fn guarded_until(
        ended: OwnedFd,
        site: &Site,
        what: &str,
        needed: &Controllers,
    ) -> Result<Self> {
        // It comes first: between two mkdir(2) we can be killed too.
        let guardian = Guardian::of(&Self::name(what), ended)?;
        let mut made = Self::create(site, what, needed)?;
        made._guardian = Some(guardian);
        Ok(made)
    }

    /// The calls that start the guardian of a group, for a plan.
    pub fn explain_guardian() -> Vec<Explanation> {
        Guardian::explain()
    }

    /// Makes the group `lab-<pid>-<what>` without a guardian.
    ///
    /// # Errors
    /// As [`Group::create`].
    pub fn create(site: &Site, what: &str, needed: &Controllers) -> Result<Self> {
        let group = Group::create(site, Self::name(what), needed)?;
        let lock = |dir: &Path| File::open(dir).ok().filter(|it| it.try_lock().is_ok());
        let locks = group.directories().filter_map(|(dir, ..)| lock(dir)).collect();
        Ok(Self { group, _guardian: None, _locks: locks })
    }

    /// Removes the group now, and says so if that fails.
    ///
    /// # Errors
    /// As [`Group::remove`].
    pub fn remove(self) -> Result<()> {
        self.group.remove()
    }
}

impl Deref for Temporary {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.group
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nobody is left to tell; what stays is swept at the next start.
        let _ = self.group.remove();
    }
}

/// Removes the temporary groups of dead makers, with what still runs in them. Best effort: it
/// runs before every command, and a group that resists will be met again. How many went.
pub fn sweep(site: &Site) -> usize {
    let mut names: Vec<String> = site
        .places
        .iter()
        .flat_map(|(_, place)| children(place))
        .filter_map(|dir| Some(dir.file_name()?.to_str()?.to_owned()))
        .filter(|name| maker(name).is_some_and(is_dead))
        .collect();
    names.sort();
    names.dedup();
    let gone = names.iter().filter(|name| take_away(site, name)).count();
    // A maker and its guardian may have been killed before the first mkdir(2).
    super::hand_back(site);
    gone
}

fn take_away(site: &Site, name: &str) -> bool {
    let Ok(Some(group)) = Group::open(site, name) else { return false };
    let free = |dir: &Path| File::open(dir).is_ok_and(|it| it.try_lock().is_ok());
    group.directories().all(|(dir, ..)| free(dir)) && group.remove().is_ok()
}

fn maker(name: &str) -> Option<Pid> {
    let (pid, _) = name.strip_prefix("lab-")?.split_once('-')?;
    pid.parse().ok().map(Pid::from_raw)
}

fn is_dead(pid: Pid) -> bool {
    let zombie = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|it| it.trim_start().starts_with('Z'))
    };
    kill(pid, None) == Err(Errno::ESRCH) || zombie()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_group_says_who_made_it() {
        assert_eq!(maker("lab-12-busy"), Some(Pid::from_raw(12)));
        assert_eq!(maker("lab-supervisor"), None);
        assert_eq!(maker("user.slice"), None);
    }
}
