//! Privilege: which verb needs a user namespace, and that nothing else asks for one.
//!
//! As an ordinary user we become root of a user namespace (lab 01) before anything touches files
//! of other ids. It is the one that the containers of the store are in, and where none is, one of our
//! own with the same maps, so that the same ids mean the same owners. A verb that only reads, or only
//! speaks to a registry, works without.

use std::path::Path;

use ground::Result;
use mini_docker::engine;
use namespaces::Kind;

use super::args::{ContainerFlags, Network, Verb, Volume};

/// Becomes root of a user namespace, if the verb needs that and we are not root.
///
/// # Errors
/// What the machine has against user namespaces, and what opens it.
pub fn enter(verb: &Verb, root: &Path) -> Result<()> {
    if !needs_owners(verb) {
        return Ok(());
    }
    // A namespace of another container belongs to that one's user namespace. Usually all are in one.
    match relative(verb, root) {
        Some(pid) => engine::join(pid, &[Kind::User]),
        None => engine::enter(root),
    }
}

/// A process of the container that the verb's container shares a namespace with.
fn relative(verb: &Verb, root: &Path) -> Option<i32> {
    match verb {
        Verb::Run(it) => engine::relative(root, others(&it.container)),
        Verb::Create(it) => engine::relative(root, others(&it.container)),
        Verb::Start(it) => engine::relative_of(root, &it.containers),
        _ => None,
    }
}

/// The containers in `--ipc container:NAME` and its like.
fn others(flags: &ContainerFlags) -> impl Iterator<Item = &str> {
    let modes = [&flags.namespaces.ipc, &flags.namespaces.pid];
    modes.into_iter().filter_map(|mode| mode.as_deref()?.strip_prefix("container:"))
}

/// Whether the verb makes or removes files that belong to other ids, or plugs containers together.
fn needs_owners(verb: &Verb) -> bool {
    match verb {
        Verb::Run(run) => !run.explain,
        Verb::Pull(_)
        | Verb::Create(_)
        | Verb::Start(_)
        | Verb::Commit(_)
        | Verb::Load(_)
        | Verb::Import(_)
        | Verb::System(_)
        | Verb::Diff(_)
        | Verb::Rmi(_)
        | Verb::Volume(Volume::Rm { .. } | Volume::Create(_) | Volume::Prune(_))
        | Verb::Network(
            Network::Connect(_)
            | Network::Disconnect { .. }
            | Network::Rm { .. }
            | Network::Prune { .. },
        ) => true,
        // `rm` first has to reach into the namespaces of containers that run; it enters later.
        _ => false,
    }
}
