//! The user namespace that all containers of an ordinary user's store share.
//!
//! Each could have one with the same maps, and files would have the same owners in all of them. But who
//! is root in one has no power over what belongs to its sibling: a network cable needs the right at both
//! ends. So a command joins the one that is there, and makes one only where nobody is in any. Who is in
//! it stands in a file, because a command is there before its container has a monitor; and a container
//! that nobody has written down is known by its record.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
};

use ground::Result;
use namespaces::{Kind, Kinds, rootless};
use nix::unistd::{Pid, geteuid};

use super::{exec::join, plug::ground};
use crate::{
    container::{Identity, Record},
    layout::Layout,
    network::Ground,
};

/// Becomes root of the user namespace that the containers of the store at `root` share. Does nothing
/// for who is root already. The process must have a single thread.
///
/// # Errors
/// What the machine has against user namespaces.
pub fn enter(root: &Path) -> Result<()> {
    if ground() == Ground::Host {
        return Ok(());
    }
    let layout = Layout::new(root);
    // Without it two who begin at the same moment make one each, and nothing else goes wrong.
    let mut members = Members::lock(&layout);
    if !geteuid().is_root() {
        let known = members.iter().flat_map(Members::alive);
        if !known.chain(monitors(&layout)).any(|it| joins(&it)) {
            rootless::enter(Kinds::NONE)?;
        }
    }
    if let Some(members) = &mut members {
        let _ = members.add_ourselves();
    }
    Ok(())
}

/// Goes where a process is, if that is an own user namespace of ours.
fn joins(member: &Identity) -> bool {
    join(member.pid, &[Kind::User]).is_ok() && geteuid().is_root()
}

/// The monitors of containers; read only when nobody else is known.
fn monitors(layout: &Layout) -> impl Iterator<Item = Identity> {
    let records = std::iter::once_with(|| Record::all(layout).unwrap_or_default()).flatten();
    records.filter_map(|record| record.state.monitor).filter(Identity::is_alive)
}

/// Who is in the user namespace, with the file locked: one joins or makes it at a time.
struct Members(File);

impl Members {
    fn lock(layout: &Layout) -> Option<Self> {
        std::fs::create_dir_all(layout.root()).ok()?;
        let mut options = File::options();
        let options = options.create(true).truncate(false).read(true).write(true);
        let file = options.open(layout.user_namespace()).ok()?;
        file.lock().ok()?;
        Some(Self(file))
    }

    /// Of a file that somebody was killed at nobody is known.
    fn alive(&self) -> Vec<Identity> {
        let mut json = String::new();
        let read = (&self.0).rewind().and_then(|()| (&self.0).read_to_string(&mut json));
        let all: Vec<Identity> =
            read.ok().and_then(|_| serde_json::from_str(&json).ok()).unwrap_or_default();
        all.into_iter().filter(Identity::is_alive).collect()
    }

    fn add_ourselves(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let ourselves = Identity::of(Pid::this())?;
        let mut all = self.alive();
        if !all.contains(&ourselves) {
            all.push(ourselves);
        }
        self.0.set_len(0)?;
        self.0.rewind()?;
        Ok(self.0.write_all(&serde_json::to_vec(&all)?)?)
    }
}
