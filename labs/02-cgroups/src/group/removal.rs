//! The end of a group: kill what is in it, wait until it is empty, remove its directories.
//!
//! v2 has `cgroup.kill` (Linux 5.14), which misses nobody. v1 takes three moves: freeze, so that
//! nothing forks away; SIGKILL; and thaw, because the signal is only taken by a task that runs.

use std::{fs, io, path::Path, thread, time::Duration};

use ground::{Errno, Result};
use nix::sys::signal::{Signal, kill};

use crate::{
    Controller, Group, advice,
    group::{Part, children, put},
};

const TRIES: u32 = 100;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Group {
    /// Sends SIGKILL to every process of the group and below. A frozen group is thawed.
    ///
    /// # Errors
    /// EPERM: a process of somebody else's; the group is a tree's root.
    pub fn kill_all(&self) -> Result<()> {
        self.is_no_root()?;
        let v2 = self.v2().map(|it| it.dir.join("cgroup.kill"));
        if let Some(file) = v2.filter(|it| it.exists() && self.parts.len() == 1) {
            return put("cannot kill the group", &file, "1");
        }
        // Without a freezer this is a race that we run a few times; with one, the first is enough.
        for _ in 0..TRIES {
            let _ = self.freeze();
            let killed = self.signal_all(Signal::SIGKILL);
            if self.part_of(Controller::Freezer).is_some() {
                self.thaw()?;
            }
            if killed? == 0 || self.part_of(Controller::Freezer).is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Sends `signal` to every process of the group and below; how many there were.
    ///
    /// # Errors
    /// EPERM: a process of somebody else's; the group is a tree's root.
    pub fn signal_all(&self, signal: Signal) -> Result<usize> {
        self.is_no_root()?;
        let pids = self.procs();
        for pid in &pids {
            match kill(*pid, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => {
                    let call = format!("kill({pid}, {signal})");
                    let fix = "the process belongs to another user: run as root";
                    return Err(ground::Error::new("cannot signal the group")
                        .call(&call, errno)
                        .see("2 kill")
                        .fix(fix));
                }
            }
        }
        Ok(pids.len())
    }

    /// The group of a process is the root wherever nobody made one, and the root has everybody in.
    fn is_no_root(&self) -> Result<()> {
        match self.parts.iter().find(|it| it.dir == it.base) {
            None => Ok(()),
            Some(part) => Err(ground::Error::new("cannot end the processes of this group")
                .why(format!("in {} it is the root, with every process in it", part.dir.display()))
                .see("7 cgroups")
                .fix("name a group that was made for the processes")),
        }
    }

    /// Ends the group: kills what is in it, waits, and removes its directories, those below
    /// first. A group that is gone is fine. Groups above it stay.
    ///
    /// # Errors
    /// EBUSY after 2 s: a process does not end. A zombie is none of the group's any more.
    pub fn remove(&self) -> Result<()> {
        self.is_no_root()?;
        // rmdir(2) itself says whether anybody is in: an empty group goes at once.
        if !self.parts.iter().all(|it| is_gone(&it.dir)) {
            self.kill_all()?;
            self.parts.iter().try_for_each(|it| remove_tree(&it.dir, TRIES))?;
        }
        self.parts.iter().for_each(Part::hand_back);
        Ok(())
    }

    /// Removes the groups above this one that are empty, up to the place it was made in: the
    /// `mini-docker` of `mini-docker/3f2a`, after the last container. Best effort; a group that
    /// still has processes or groups below it stays, because rmdir(2) refuses (EBUSY).
    pub fn remove_empty_parents(&self) {
        for part in &self.parts {
            let above = part.dir.ancestors().skip(1).take_while(|it| **it != part.base);
            for dir in above.filter(|it| it.starts_with(&part.base)) {
                if fs::remove_dir(dir).is_err() {
                    break;
                }
            }
            part.hand_back();
        }
    }

    /// The way back of a creation that failed half-way: best effort, nobody is inside yet.
    pub(crate) fn remove_directories(&self) {
        for part in &self.parts {
            let _ = remove_tree(&part.dir, 1);
            part.hand_back();
        }
    }
}

fn is_gone(dir: &Path) -> bool {
    match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn remove_tree(dir: &Path, tries: u32) -> Result<()> {
    for child in children(dir) {
        remove_tree(&child, tries)?;
    }
    let mut pause = FIRST_PAUSE;
    for left in (0..tries).rev() {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The dying count until they are waited for.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && left > 0 => {
                thread::sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            Err(error) => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
                let call = format!("rmdir(\"{}\")", dir.display());
                return Err(advice::failed("cannot remove the control group", &call, dir, errno));
            }
        }
    }
    Ok(())
}
