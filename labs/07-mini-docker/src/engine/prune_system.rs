//! system prune: everything that nobody needs goes: containers that do not run, then the networks,
//! volumes and images that nobody uses any more.

use std::collections::HashSet;

use super::{Engine, Prune, PruneContainers, Removed, Result, size::bytes_below};
use crate::{
    container::{Record, Source},
    volume,
};

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
        let stopped = PruneContainers {
            until: which.until,
            labels: which.labels.clone(),
            without_labels: which.without_labels.clone(),
        };
        let (containers, bytes) = self.prune_containers(&stopped)?;
        (pruned.containers, pruned.bytes) = (containers, bytes);
        // One that cannot be removed now is as good as one in use.
        let networks = self
            .network_prune(&|network| which.means(Some(&network.created), network.labels.iter()));
        let networks = networks.unwrap_or_default().into_iter();
        pruned.networks = networks.map(|network| network.name).collect();
        if volumes {
            self.prune_volumes(&mut pruned)?;
        }
        let (images, bytes) = self.prune_images(which)?;
        pruned.images = images;
        pruned.bytes += bytes;
        Ok(pruned)
    }

    fn prune_volumes(&self, pruned: &mut Pruned) -> Result<()> {
        let records = Record::all(&self.layout)?;
        let mounts = records.iter().flat_map(|record| &record.options.mounts);
        let used: HashSet<&String> = mounts
            .filter_map(|mount| match &mount.source {
                Source::Volume { name, .. } => Some(name),
                _ => None,
            })
            .collect();
        for name in volume::names(&self.layout)? {
            // A name that we made up: 64 hexadecimal digits.
            let is_anonymous = name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit());
            if !is_anonymous || used.contains(&name) {
                continue;
            }
            let bytes = bytes_below(&self.layout.volume_data(&name));
            if self.volume_rm(&name).is_ok() {
                pruned.bytes += bytes;
                pruned.volumes.push(name);
            }
        }
        Ok(())
    }
}
