//! Search: which images a registry has.
//!
//! docker.io answers `/v1/search`, the one piece of the first API that is left. Other registries
//! know only the list of their repositories, `/v2/_catalog`, in which we look ourselves.
//!
//! Source: docs.docker.com, "docker search"; Docker's registry API version 1.

use serde::Deserialize;
use ureq::http::Method;

use super::{
    Client, Kind, Result,
    auth::encode,
    error::{Action, Error, Subject},
    host::Host,
    request::Ask,
};

/// Where docker.io is searched.
const DOCKER_HUB: &str = "https://index.docker.io";

/// An image that fits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Its name, for `pull`.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// How many people like it.
    #[serde(rename = "star_count")]
    pub stars: u64,
    /// Whether docker.io itself looks after it.
    pub is_official: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Found>,
}

impl Client {
    /// The images of `domain` that fit `term`, at most `limit`. For docker.io its mirrors are asked
    /// first.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`], or why there is no answer.
    pub fn search(&self, domain: &str, term: &str, limit: usize) -> Result<Vec<Found>> {
        let mut found = match domain {
            "docker.io" => self.search_hub(term, limit)?,
            _ => self.search_registry(domain, term, limit)?,
        };
        found.truncate(limit);
        Ok(found)
    }

    fn search_hub(&self, term: &str, limit: usize) -> Result<Vec<Found>> {
        let here = |mirror: &Host| self.search_host(mirror, term, limit).ok();
        if let Some(found) = self.first_mirror(here) {
            return Ok(found);
        }
        let ask = question("docker.io", &format!("{DOCKER_HUB}{}", target(term, limit)));
        self.read_found(|| self.ask(&ask, &[200]), &ask)
    }

    fn search_registry(&self, domain: &str, term: &str, limit: usize) -> Result<Vec<Found>> {
        let mut found = self.search_host(&*self.host(domain)?, term, limit)?;
        for found in &mut found {
            found.name = format!("{domain}/{}", found.name);
        }
        Ok(found)
    }

    /// By the old API where there is one, else in the list of all repositories.
    fn search_host(&self, host: &Host, term: &str, limit: usize) -> Result<Vec<Found>> {
        let ask = question(&host.domain, &target(term, limit));
        match self.read_found(|| self.ask_host(host, &ask, &[200]), &ask) {
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Denied | Kind::Invalid) => {
                self.look_in_catalog(host, term)
            }
            answered => answered,
        }
    }

    fn look_in_catalog(&self, host: &Host, term: &str) -> Result<Vec<Found>> {
        let names = self.catalog_of(host)?;
        let fitting = names.into_iter().filter(|name| name.contains(term));
        Ok(fitting.map(|name| Found { name, ..Found::default() }).collect())
    }

    fn read_found(
        &self,
        answer: impl FnOnce() -> Result<super::request::Answer>,
        ask: &Ask<'_>,
    ) -> Result<Vec<Found>> {
        let answer: Answer = answer()?.body_mut().read_json().map_err(|error| {
            Error::invalid(ask.subject.cannot(), format!("the answer is not JSON: {error}"))
        })?;
        Ok(answer.results)
    }
}

fn target(term: &str, limit: usize) -> String {
    format!("/v1/search?q={}&n={limit}", encode(term))
}

fn question(domain: &str, target: &str) -> Ask<'static> {
    Ask {
        method: Method::GET,
        target: target.to_owned(),
        headers: Vec::new(),
        body: &[],
        scope: "registry:catalog:search".to_owned(),
        subject: Subject::registry(Action::Search, domain),
    }
}
