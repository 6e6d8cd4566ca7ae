//! The freezer: stopping every task of a group where it stands.
//!
//! Unlike a stop by SIGSTOP no parent is told of it, and SIGCONT does not undo it. Asking is one write;
//! *being* frozen takes until the last task got there, so we wait for what the kernel reports: `FROZEN`
//! in v1's `freezer.state`, `frozen 1` in v2's `cgroup.events`. A process that joins a frozen
//! group freezes at once (admin-guide/cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst,
//! "cgroup.freeze").

use std::{fs, path::Path, thread, time::Duration, time::Instant};

use ground::{Error, Result};
use nix::unistd::getpid;

use crate::{Controller, Group, Version, group::membership::procs_below, group::put};

/// Longer than any task needs to reach the freezer, but one in an uninterruptible wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the freezer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeState {
    /// Every task stands.
    Frozen,
    /// Some still run.
    Freezing,
    /// Everything runs.
    Thawed,
}

impl Group {
    /// Stops every task of the group and below, and waits until they stand. Idempotent.
    ///
    /// # Errors
    /// We are in it ourselves: nobody would be left to thaw; no freezer here; not all stood after
    /// 5 s (then it is thawed again).
    pub fn freeze(&self) -> Result<()> {
        let freezer = self.part_of(Controller::Freezer).filter(|it| it.dir != it.base);
        if freezer.is_some_and(|it| procs_below(&it.dir).contains(&getpid())) {
            return Err(Error::new(format!("cannot freeze the group {}", self.name.display()))
                .why("this process is in it: it would freeze itself, and nobody could thaw it")
                .see("7 cgroups")
                .fix("freeze it from a shell outside the group"));
        }
        self.ask(true)?;
        if self.wait_for(FreezeState::Frozen) {
            return Ok(());
        }
        self.thaw()?;
        Err(Error::new(format!("cannot freeze the group {}", self.name.display()))
            .why(format!("not every task stood still after {} s", PATIENCE.as_secs()))
            .see("7 cgroups")
            .fix("a task waits for a device (state D in ps): try again when it is done"))
    }

    /// Lets every task go on. Idempotent.
    ///
    /// # Errors
    /// No freezer here, or not ours to write.
    pub fn thaw(&self) -> Result<()> {
        self.ask(false)?;
        self.wait_for(FreezeState::Thawed);
        Ok(())
    }

    /// What the freezer says of this group; `None` where there is no freezer.
    pub fn freeze_state(&self) -> Option<FreezeState> {
        let part = self.part_of(Controller::Freezer)?;
        match part.version {
            Version::V1 => state_v1(&read(&part.dir.join("freezer.state"))?),
            Version::V2 => {
                let (asked, events) = (
                    read(&part.dir.join("cgroup.freeze"))?,
                    read(&part.dir.join("cgroup.events"))?,
                );
                Some(state_v2(&asked, &events))
            }
        }
    }

    /// The root has no freezer: everything would stand, and nobody could thaw.
    fn ask(&self, freeze: bool) -> Result<()> {
        let name = match self.name.as_os_str().is_empty() {
            true => "/".to_owned(),
            false => self.name.display().to_string(),
        };
        let what = format!("cannot {} the group {name}", if freeze { "freeze" } else { "thaw" });
        let part = self.part_of(Controller::Freezer).ok_or_else(|| {
            Error::new(&what)
                .why("the v1 freezer is not mounted, and there is no v2 group")
                .see("7 cgroups")
                .fix("mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer")
        })?;
        if part.dir == part.base {
            return Err(Error::new(what)
                .why(format!("{} is the root, with every process in it", part.base.display()))
                .see("7 cgroups")
                .fix("name a group below it: lab-02 tree shows them"));
        }
        let (file, value) = match (part.version, freeze) {
            (Version::V1, true) => ("freezer.state", "FROZEN"),
            (Version::V1, false) => ("freezer.state", "THAWED"),
            (Version::V2, true) => ("cgroup.freeze", "1"),
            (Version::V2, false) => ("cgroup.freeze", "0"),
        };
        put(&what, &part.dir.join(file), value)
    }

    fn wait_for(&self, state: FreezeState) -> bool {
        let until = Instant::now() + PATIENCE;
        while self.freeze_state() != Some(state) {
            if Instant::now() > until {
                return false;
            }
            // v1 looks for tasks born while it froze only when it is asked again.
            if state == FreezeState::Frozen && self.ask(true).is_err() {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn state_v1(text: &str) -> Option<FreezeState> {
    match text.trim() {
        "FROZEN" => Some(FreezeState::Frozen),
        "FREEZING" => Some(FreezeState::Freezing),
        "THAWED" => Some(FreezeState::Thawed),
        _ => None,
    }
}

fn state_v2(asked: &str, events: &str) -> FreezeState {
    let frozen = events.lines().any(|it| it == "frozen 1");
    match (asked.trim(), frozen) {
        (_, true) => FreezeState::Frozen,
        ("1", false) => FreezeState::Freezing,
        (_, false) => FreezeState::Thawed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_is_not_being_frozen() {
        assert_eq!(state_v2("1\n", "populated 1\nfrozen 0\n"), FreezeState::Freezing);
        assert_eq!(state_v2("1\n", "populated 1\nfrozen 1\n"), FreezeState::Frozen);
        assert_eq!(state_v2("0\n", "populated 1\nfrozen 0\n"), FreezeState::Thawed);
        assert_eq!(state_v1("FREEZING\n"), Some(FreezeState::Freezing));
    }
}
