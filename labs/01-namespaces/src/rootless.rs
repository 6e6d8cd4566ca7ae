//! Rootless: an ordinary user becomes root of a user namespace of their own.
//!
//! The whole program moves, so that the rest of it need not know: afterwards geteuid(2) is 0 and
//! mounts, host names and PIDs can be had, all of them in namespaces that this user namespace owns.
//! Root skips the user namespace; root is root already.

use std::os::fd::OwnedFd;

use ground::{Error, Explanation, Result, Step};
use nix::{
    fcntl::OFlag,
    sched::unshare,
    unistd::{geteuid, getpid, pipe2, write},
};

use crate::{
    Child, Exec, Exit, IdMaps, Kind, Kinds, Range, Spawn, id_map, steps::Await,
    steps::PrivateMounts, walls,
};

/// Who the caller was, and is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Root before and after; no user namespace was made.
    Root,
    /// An ordinary user, now root of a user namespace with these maps.
    Rootless(IdMaps),
}

impl Standing {
    /// Whether a user namespace was made.
    pub fn is_rootless(&self) -> bool {
        matches!(self, Self::Rootless(_))
    }
}

/// The calls that [`enter`] makes for the calling user.
pub fn explain(kinds: Kinds) -> Vec<Explanation> {
    let mut calls = Vec::new();
    if !geteuid().is_root() {
        calls.push(unshare_explained(
            Kinds::of([Kind::User]),
            "an ordinary user is root in a user namespace of their own",
        ));
        calls.extend(maps().explain());
    }
    let kinds = kinds.without(Kind::User);
    if !kinds.is_empty() {
        calls.push(unshare_explained(kinds, "what happens from here on happens to us alone"));
    }
    if kinds.contains(Kind::Mount) {
        calls.push(PrivateMounts.explain());
    }
    calls
}

/// Moves this process into new namespaces of `kinds`, as root: of the machine if we are that, of a
/// user namespace if not. Mounts are made private. A PID or time namespace only takes the children.
///
/// Call it first in `main`: it wants a process with a single thread.
///
/// # Errors
/// What the machine has against it, with the command that opens it ([`walls`]).
pub fn enter(kinds: Kinds) -> Result<Standing> {
    let standing = if geteuid().is_root() { Standing::Root } else { become_root()? };
    let kinds = kinds.without(Kind::User);
    if !kinds.is_empty() {
        unshare(kinds.flags()).map_err(|errno| walls::unshare_refused(kinds, errno))?;
    }
    if kinds.contains(Kind::Mount) {
        PrivateMounts.run().map_err(|errno| PrivateMounts.failed(errno))?;
    }
    Ok(standing)
}

/// Tries in a child what is to be had after [`enter`], so that a story that needs it can say so
/// before it begins: root of a container may be refused as well.
///
/// # Errors
/// As [`enter`].
pub fn check() -> Result<()> {
    // Not the user namespace alone: AppArmor may grant that, and then nothing in it.
    let some_kind = Kinds::of([Kind::Uts]);
    let spawn = match geteuid().is_root() {
        true => Spawn::new(some_kind),
        false => Spawn::new(some_kind.with(Kind::User)).id_maps(maps()),
    };
    spawn.stay().start().map(drop)
}

fn unshare_explained(kinds: Kinds, why: &str) -> Explanation {
    Explanation::new(format!("unshare({})", kinds.flag_names()), why, "2 unshare")
}

/// Subordinate ids where there are some, else the caller's id alone.
fn maps() -> IdMaps {
    IdMaps::with_subordinate_ids().unwrap_or_else(IdMaps::only_root)
}

fn become_root() -> Result<Standing> {
    let maps = maps();
    if maps.is_single() {
        unshare_user()?;
        maps.write_own()?;
    } else {
        // newuidmap(1) must run outside: it is set-user-ID root there, and nobody in here.
        let uids = MapWriter::start("newuidmap", &maps.uids)?;
        let gids = MapWriter::start("newgidmap", &maps.gids)?;
        unshare_user()?;
        uids.finish()?;
        gids.finish()?;
    }
    Ok(Standing::Rootless(maps))
}

fn unshare_user() -> Result<()> {
    let kinds = Kinds::of([Kind::User]);
    unshare(kinds.flags()).map_err(|errno| walls::unshare_refused(kinds, errno))
}

/// A child that stays outside and writes one of our maps when we have made the namespace.
struct MapWriter {
    program: &'static str,
    child: Child,
    go: OwnedFd,
}

impl MapWriter {
    fn start(program: &'static str, ranges: &[Range]) -> Result<Self> {
        let (read, go) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
            Error::new("cannot talk to the child").call("pipe2(O_CLOEXEC)", errno)
        })?;
        let mut argv = vec![program.to_owned()];
        argv.extend(id_map::newidmap_arguments(getpid(), ranges));
        let mut spawn = Spawn::new(Kinds::NONE)
            .step(Await::new(read, "until the user namespace is there"))
            .step(Exec::with_own_environment(&argv)?);
        spawn.ready_before = Some(0);
        Ok(Self { program, child: spawn.start()?, go })
    }

    fn finish(mut self) -> Result<()> {
        // A writer that died is noticed by its exit status.
        let _ = write(&self.go, b"g");
        match self.child.wait()? {
            Exit::Code(0) => Ok(()),
            _ => Err(Error::new("cannot map subordinate ids")
                .why(format!("{} failed; what it said stands above", self.program))
                .see(&format!("1 {}", self.program))
                .fix(
                    "check your lines in /etc/subuid and /etc/subgid, that newuidmap is set-user-ID \
                     root, and that no_new_privs is not set",
                )),
        }
    }
}
