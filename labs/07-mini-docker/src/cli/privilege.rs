//! Privilege: which verb needs a user namespace, and that nothing else asks for one.
//!
//! As an ordinary user we become root of a user namespace (lab 01) before anything touches files
//! of other ids. Each command makes its own with the same maps, so that the same ids mean the same
//! owners. A verb that only reads, or only speaks to a registry, works without.

use ground::Result;
use namespaces::{Kinds, rootless};

use super::args::{Verb, Volume};

/// Becomes root of a user namespace, if the verb needs that and we are not root.
///
/// # Errors
/// What the machine has against user namespaces, and what opens it.
pub fn enter(verb: &Verb) -> Result<()> {
    if needs_owners(verb) { own() } else { Ok(()) }
}

/// Becomes root of a user namespace, if we are not root.
///
/// # Errors
/// As [`enter`].
pub fn own() -> Result<()> {
    rootless::enter(Kinds::NONE).map(drop)
}

/// Whether the verb makes or removes files that belong to other ids.
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
        | Verb::Volume(Volume::Rm { .. } | Volume::Create { .. }) => true,
        // `rm` first has to reach into the namespaces of containers that run; it enters later.
        _ => false,
    }
}
