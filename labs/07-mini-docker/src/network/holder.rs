//! Holder: keeps the network namespace that an ordinary user's bridges are in.
//!
//! A user may make no bridge in the host's network namespace, and as many as they like in one of their
//! own. Somebody has to keep that one, and no container can: any of them may end before the others. So
//! there is a process for it, which the first container in a network starts. It watches the monitors of
//! all that are in there and ends with the last one; the namespace ends with it, and what is in it.
//!
//! ```text
//!   container      the holder's namespace                        the host's
//!   eth0 ─ veth ─ bridge ─ forward, masquerade ─ eth0 (TAP) ── slirp4netns or pasta ── the world
//!                   └───────────────── sockets made inside ─── porter: published ports
//! ```
//!
//! The program that leads out speaks through sockets in the host's namespace, and so the holder itself
//! stays there: it only has the namespace open.

use std::{
    fs,
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use ground::{Result, Step};
use namespaces::{Kind, Kinds, rootless};
use rootfs::{MountInfo, Umount, c_path};
use serde::{Deserialize, Serialize};

use super::{
    attendant::{self, Reply},
    netns::Netns,
    usermode,
};
use crate::layout::Layout;

/// The verb of the command line that is the holder.
pub const HOLDER: &str = "holder";

/// The verb that does what only who is in the store's user namespace can do.
pub const MEND: &str = "mend";

/// Who keeps a network namespace, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The namespace, as a path: what the holder has open.
    path: PathBuf,
    /// Its name among all others: behind the path there may be another one by now.
    namespace: String,
    /// Why nobody gets out of it, if so.
    pub no_way_out: Option<String>,
}

impl Holder {
    /// The namespace, if it is still kept.
    pub fn netns(&self) -> Option<Netns> {
        let netns = Netns::open(&self.path).ok()?;
        (netns.name().ok()? == self.namespace).then_some(netns)
    }
}

/// Whose holder it is to be.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    /// The store's root.
    root: PathBuf,
}

/// Starts a holder for the store at `root`. It ends by itself when it finds nobody in its networks,
/// as soon as the ledger's lock is let go.
///
/// # Errors
/// A refused network namespace.
pub(super) fn start(root: &Path) -> Result<Holder> {
    let request = Request { root: root.to_owned() };
    attendant::start(HOLDER, &request).map(|(_, holder): (Child, Holder)| holder)
}

/// What a holder has.
#[derive(Debug)]
pub struct Kept {
    /// The store's root.
    pub root: PathBuf,
    /// What stands in the ledger.
    pub holder: Holder,
    _netns: Netns,
    carrier: Option<Child>,
}

/// Becomes a holder: makes what is to be kept, and says so to who has started us. None where that
/// failed, which was told as well.
///
/// # Errors
/// When nobody can be told.
pub fn begin() -> Result<Option<Kept>> {
    let request: Request = attendant::hear()?;
    match keep(request.root) {
        Ok(kept) => {
            attendant::say(&Reply::Done(&kept.holder))?;
            attendant::fall_silent().map(|()| Some(kept))
        }
        Err(error) => attendant::say(&Reply::<()>::Failed(error.to_json())).map(|()| None),
    }
}

fn keep(root: PathBuf) -> Result<Kept> {
    let_go_of_mounts(&Layout::new(&root))?;
    let netns = Netns::fresh()?;
    // By our number: whoever opens it is another process.
    let path = format!("/proc/{}/fd/{}", std::process::id(), netns.descriptor().as_raw_fd());
    let path = PathBuf::from(path);
    let (carrier, no_way_out) = match usermode::start(&path) {
        Ok((carrier, _)) => (Some(carrier), None),
        Err(error) => (None, Some(error.why.unwrap_or(error.what))),
    };
    let holder = Holder { path, namespace: netns.name()?, no_way_out };
    Ok(Kept { root, holder, _netns: netns, carrier })
}

/// Who has started us may be a monitor, with its container's mounts. We are there longer than those
/// may be.
fn let_go_of_mounts(layout: &Layout) -> Result<()> {
    rootless::enter(Kinds::of([Kind::Mount]))?;
    let real = |dir: PathBuf| fs::canonicalize(&dir).unwrap_or(dir);
    let dirs = [layout.containers(), layout.volumes()].map(real);
    let is_below = |point: &Path| dirs.iter().any(|dir| point != dir && point.starts_with(dir));
    for mount in MountInfo::of("self")?.iter().rev().filter(|it| is_below(&it.point)) {
        // One that lay on another went with it; and the machine's are not ours to take away.
        let _ = Umount::detach(c_path(&mount.point)?).run();
    }
    Ok(())
}

impl Kept {
    /// Lets go of it all.
    pub fn end(self) {
        if let Some(mut carrier) = self.carrier {
            let _ = carrier.kill();
            let _ = carrier.wait();
        }
    }
}

/// Has a process that is in the store's user namespace do what is left to do there. What it cannot do
/// is told to whoever makes something next.
pub fn mend(root: &Path) {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("mini-docker").arg("--root").arg(root).arg(MEND);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = command.current_dir("/").status();
}
