//! system prune: everything that nobody needs goes: containers that do not run, then the networks,
//! volumes and images that nobody uses any more.

use super::{Engine, Prune, Removed, Result};

/// What a `system prune` removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The IDs of containers.
    pub containers: Vec<String>,
    /// The names of networks.
    pub networks: Vec<String>,
    /// The names of volumes.
    pub volumes: Vec<String>,
    /// Images and names of them.
    pub images: Vec<Removed>,
    /// The bytes that are free now.
    pub bytes: u64,
}

impl Engine {
    /// Removes what nobody needs; volumes only on request, and of those only what nobody has given
    /// a name.
    ///
    /// # Errors
    /// A store that cannot be read. What cannot be removed is passed over.
    pub fn prune_system(&self, which: &Prune, volumes: bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let (containers, bytes) = self.prune_containers(which)?;
        (pruned.containers, pruned.bytes) = (containers, bytes);
        // One that cannot be removed now is as good as one in use.
        let networks = self.network_prune(which).unwrap_or_default().into_iter();
        pruned.networks = networks.map(|network| network.name).collect();
        if volumes {
            // Docker's `--all` is about images, and volumes with a name stay.
            let mut unnamed = which.clone();
            unnamed.all = false;
            let freed = self.volume_prune(&unnamed)?;
            pruned.volumes = freed.names;
            pruned.bytes += freed.bytes;
        }
        let (images, bytes) = self.prune_images(which)?;
        pruned.images = images;
        pruned.bytes += bytes;
        Ok(pruned)
    }
}
