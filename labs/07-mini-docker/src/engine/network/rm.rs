//! network rm, network prune: networks that nobody is in any more.

use super::event;
use crate::{
    engine::{Engine, Prune, Result},
    network::Network,
};

impl Engine {
    /// Removes a network.
    ///
    /// # Errors
    /// [`super::super::Kind::NotFound`], [`super::super::Kind::Conflict`] while running containers
    /// are in it, [`super::super::Kind::Invalid`] for a predefined one.
    pub fn network_rm(&self, name: &str) -> Result<Network> {
        let network = self.with_networks(|networks| networks.remove(name))?;
        event(&network, "destroy").record(&self.layout.events());
        Ok(network)
    }

    /// Removes all networks that no container uses, also none that is stopped, of those that are meant.
    ///
    /// # Errors
    /// As [`Engine::network_rm`].
    pub fn network_prune(&self, which: &Prune) -> Result<Vec<Network>> {
        let mut removed = Vec::new();
        let means = |it: &Network| which.means(Some(&it.created), |name| it.labels.get(name));
        for network in self.ledger()?.networks {
            let is_used = !self.users_of(&network.name)?.is_empty();
            if !network.is_default() && !is_used && means(&network) {
                removed.push(self.network_rm(&network.id)?);
            }
        }
        Ok(removed)
    }
}
