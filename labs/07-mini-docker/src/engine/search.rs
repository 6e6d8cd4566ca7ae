//! search: which images a registry has.

use super::{Engine, Filters, Result, filter::invalid, login::DOCKER_HUB};
use crate::registry::client::Found;

impl Engine {
    /// Images whose names fit `term`, at most `limit`: at docker.io, or at the registry that `term`
    /// begins with. Filters: `stars=N` (at least so many) and `is-official=BOOL`.
    ///
    /// # Errors
    /// The registry's; a filter that does not exist.
    pub fn search(&self, term: &str, limit: usize, filters: &Filters) -> Result<Vec<Found>> {
        filters.check(&["is-official", "stars"])?;
        let is_official = filters.truth("is-official")?;
        let stars_min = stars_min(filters)?;
        let (domain, term) = split(term);
        let mut found = self.client()?.search(domain, term, limit)?;
        found.retain(|found| {
            found.stars >= stars_min && is_official.is_none_or(|wanted| wanted == found.is_official)
        });
        Ok(found)
    }
}

/// The largest of several; everything has at least none.
fn stars_min(filters: &Filters) -> Result<u64> {
    let mut least = 0;
    for value in filters.values("stars") {
        let stars = value.parse().map_err(|_| invalid("stars", value, "a number"))?;
        least = least.max(stars);
    }
    Ok(least)
}

/// `localhost:5000/alp` is about another registry; `bitnami/redis` is not.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((domain, rest)) if domain.contains(['.', ':']) || domain == "localhost" => {
            match domain {
                "docker.io" | "index.docker.io" => (DOCKER_HUB, rest),
                domain => (domain, rest),
            }
        }
        _ => (DOCKER_HUB, term),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_may_name_its_registry() {
        assert_eq!(split("alpine"), ("docker.io", "alpine"));
        assert_eq!(split("bitnami/redis"), ("docker.io", "bitnami/redis"));
        assert_eq!(split("docker.io/redis"), ("docker.io", "redis"));
        assert_eq!(split("localhost:5000/a/b"), ("localhost:5000", "a/b"));
    }
}
