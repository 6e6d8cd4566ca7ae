//! Listing: the tags of a repository, and the repositories of a registry.
//!
//! Long lists come in pages; `Link: <..>; rel="next"` leads on (RFC 8288).
//!
//! Source: distribution specification, "Listing Tags"; Docker's "Catalog".

use oci::Reference;
use serde::Deserialize;
use ureq::http::{Method, header};

use super::{
    Client, Result,
    error::{Action, Error, Subject},
    host::Host,
    request::{Answer, Ask, text},
};

/// More pages than this are a registry that leads us in circles.
const PAGES_MAX: usize = 10_000;

#[derive(Deserialize)]
struct Page {
    #[serde(default, alias = "repositories")]
    tags: Option<Vec<String>>,
}

impl Client {
    /// The tags of the repository of `reference`.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`], [`super::Kind::Unauthorized`].
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        let ask = Ask::about(Action::List, Method::GET, reference, "tags/list");
        self.pages(ask, |ask| self.ask(ask, &[200]))
    }

    /// The repositories of the registry `domain`. Public ones do not tell.
    ///
    /// # Errors
    /// [`super::Kind::Unauthorized`], [`super::Kind::NotFound`] where it is switched off.
    pub fn catalog(&self, domain: &str) -> Result<Vec<String>> {
        self.catalog_of(&*self.host(domain)?)
    }

    pub(super) fn catalog_of(&self, host: &Host) -> Result<Vec<String>> {
        let ask = plain(Action::List, &host.domain, "/v2/_catalog", "registry:catalog:*");
        self.pages(ask, |ask| self.ask_host(host, ask, &[200]))
    }

    /// Asks whether the registry is there and takes our credentials, as `docker login` does.
    ///
    /// # Errors
    /// [`super::Kind::Unauthorized`] if not; otherwise why there is no answer.
    pub fn ping(&self, domain: &str) -> Result<()> {
        self.ask(&plain(Action::LogIn, domain, "/v2/", ""), &[200]).map(drop)
    }

    fn pages(
        &self,
        mut ask: Ask<'_>,
        question: impl Fn(&Ask<'_>) -> Result<Answer>,
    ) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut answer = question(&ask)?;
            let next = text(&answer, header::LINK).and_then(next_page).map(str::to_owned);
            let page: Page = answer.body_mut().read_json().map_err(|error| {
                Error::invalid(ask.subject.cannot(), format!("the list is not JSON: {error}"))
            })?;
            names.extend(page.tags.unwrap_or_default());
            match next {
                Some(next) => ask.target = next,
                None => return Ok(names),
            }
        }
        Err(Error::invalid(ask.subject.cannot(), "the list has no end"))
    }
}

fn plain(action: Action, domain: &str, target: &str, scope: &str) -> Ask<'static> {
    Ask {
        method: Method::GET,
        target: target.to_owned(),
        headers: Vec::new(),
        body: &[],
        scope: scope.to_owned(),
        subject: Subject::registry(action, domain),
    }
}

fn next_page(link: &str) -> Option<&str> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then_some(target)
}
