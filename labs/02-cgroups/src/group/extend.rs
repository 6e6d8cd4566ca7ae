//! A group in more trees than it was made in: a limit may come later than its group.
//!
//! On v1 a group is made only where its limits are, since each tree costs a mkdir(2), a move and an
//! rmdir(2). A limit of another controller needs the group in that one's tree, and its processes
//! there too. On v2 there is one tree, and the controller only has to be handed down.

use std::collections::BTreeSet;

use ground::{Errno, Error, Result};
use nix::unistd::Pid;

use super::{
    Group, Part, RETRIES,
    membership::{procs_below, write_pid},
};
use crate::{Controllers, Site, Version};

impl Group {
    /// The same group where it also has what `needed` takes: made in the trees that lack it, with
    /// what runs in it moved there. Idempotent. Who removes the group removes it in all trees.
    ///
    /// # Errors
    /// A controller that this machine does not have; as [`Group::create`] and [`Group::add`];
    /// processes that are made faster than they can be moved.
    pub fn extended(&self, site: &Site, needed: &Controllers) -> Result<Self> {
        site.require(needed)?;
        let mut whole = self.clone();
        for part in Self::plan(site, &self.name, needed)?.parts {
            let is_new = self.parts.iter().all(|it| it.dir != part.dir);
            if is_new || part.version == Version::V2 {
                part.create(needed)?;
            }
            if is_new {
                self.move_into(&part)?;
                whole.parts.push(part);
            }
        }
        Ok(whole)
    }

    /// Moves everybody, and looks again: a process may have forked before it was moved, and its
    /// child was born outside.
    fn move_into(&self, part: &Part) -> Result<()> {
        for _ in 0..RETRIES {
            let inside: BTreeSet<Pid> = procs_below(&part.dir).into_iter().collect();
            let outside: Vec<Pid> =
                self.procs().into_iter().filter(|it| !inside.contains(it)).collect();
            if outside.is_empty() {
                return Ok(());
            }
            outside.into_iter().try_for_each(|pid| write_pid(&part.dir, pid))?;
        }
        Err(Error::new(format!("cannot move the processes of {}", self.name.display()))
            .call("write(\"cgroup.procs\", pid)", Errno::EAGAIN)
            .see("7 cgroups")
            .fix("they fork faster than they are moved: pause the container first"))
    }
}
