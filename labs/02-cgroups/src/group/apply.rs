//! Limits written: all of them in order, and what is checked against each other a second time.
//!
//! Some files are only taken beside a fitting neighbour: v1's `memory.limit_in_bytes` never above
//! `memory.memsw.limit_in_bytes`, a quota never below its burst, a period only with a quota that
//! the group above allows. In which order they fit depends on what stands there. So a write that is
//! refused with EINVAL is tried once more when all others are done, and only then counts as failed.

use std::{collections::BTreeSet, fs, path::PathBuf};

use ground::{Errno, Error, Result};

use super::{Group, write_once};
use crate::{Bound, Controller, Ignored, Limits, Version, Write, advice, place::absent};

impl Group {
    /// The writes that `limits` mean for this group, in order, each in its tree's version.
    ///
    /// # Errors
    /// As [`Limits::writes`]; a controller that this machine does not have.
    pub fn writes(&self, limits: &Limits) -> Result<Vec<(PathBuf, Write)>> {
        let mut all = Vec::new();
        for version in self.versions(limits) {
            for write in limits.writes(version)? {
                if self.version_of(write.controller) == version {
                    let part = self.part_of(write.controller);
                    let part = part.ok_or_else(|| absent(write.controller))?;
                    all.push((part.dir.clone(), write));
                }
            }
        }
        Ok(all)
    }

    /// What of `limits` the versions of this group's trees have no file for.
    pub fn ignored(&self, limits: &Limits) -> Vec<Ignored> {
        let versions = self.versions(limits).into_iter();
        let of = |version| limits.ignored(version).into_iter().map(move |it| (version, it));
        let all = versions.flat_map(of);
        all.filter(|(version, it)| self.version_of(it.controller) == *version)
            .map(|(_, it)| it)
            .collect()
    }

    /// Writes `limits`, to a fresh group or to one that runs. Not atomic: after an error the others
    /// stand; [`Group::update`] puts the old ones back.
    ///
    /// # Errors
    /// As [`Group::writes`], and what the kernel refuses, with the file, the value and the advice;
    /// with `check_before_update`, a memory limit below what is in use.
    pub fn apply(&self, limits: &Limits) -> Result<()> {
        self.check_usage(limits)?;
        let mut once_more = Vec::new();
        for (dir, write) in self.writes(limits)? {
            match write.run(&dir) {
                Ok(()) => {}
                Err(refused) if refused.errno == Errno::EINVAL => once_more.push((dir, write)),
                Err(refused) => return Err(refused.report(&dir)),
            }
        }
        let again =
            |(dir, write): &(PathBuf, Write)| write.run(dir).map_err(|refused| refused.report(dir));
        once_more.iter().try_for_each(again)
    }

    /// Gives a group that runs `new` limits for its `old` ones; both are whole, see
    /// [`Limits::updated`]. When one is refused the old ones are written again, best effort.
    ///
    /// # Errors
    /// As [`Group::apply`].
    pub fn update(&self, old: &Limits, new: &Limits) -> Result<()> {
        self.apply(new).inspect_err(|_| {
            let _ = self.apply(old);
        })
    }

    /// Writes one file of `controller` as it is: for what [`Limits`] has no field for.
    ///
    /// # Errors
    /// A controller that this machine does not have, or what the kernel refuses.
    pub fn write(&self, controller: Controller, file: &str, value: &str) -> Result<()> {
        let part = self.part_of(controller).ok_or_else(|| absent(controller))?;
        let path = part.dir.join(file);
        let what = format!("cannot set {file}");
        write_once(&path, value).map_err(|errno| advice::refused(&what, &path, value, errno))
    }

    /// v2 takes a limit below what is in use, and reclaims or kills until it fits.
    fn check_usage(&self, limits: &Limits) -> Result<()> {
        let memory = self.part_of(Controller::Memory).filter(|it| it.version == Version::V2);
        let (Some(part), Some(Bound::At(limit))) = (memory, limits.memory.limit) else {
            return Ok(());
        };
        let text = fs::read_to_string(part.dir.join("memory.current")).unwrap_or_default();
        match text.trim().parse::<u64>() {
            Ok(used) if limits.memory.check_before_update && used > limit => {
                Err(Error::new("cannot set the memory limit")
                    .why(format!("{used} bytes are in use, the limit would be {limit}"))
                    .see("7 cgroups")
                    .fix("stop something in the group, or give more"))
            }
            _ => Ok(()),
        }
    }

    fn versions(&self, limits: &Limits) -> BTreeSet<Version> {
        limits.controllers().into_iter().map(|it| self.version_of(it)).collect()
    }

    /// The version that `controller` speaks; one that has no tree here speaks that of the others.
    fn version_of(&self, controller: Controller) -> Version {
        let v1 = self.parts.iter().any(|it| it.version == Version::V1);
        let others = if v1 { Version::V1 } else { Version::V2 };
        self.part_of(controller).map_or(others, |it| it.version)
    }
}
