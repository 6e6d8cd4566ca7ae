//! Download: a file from anywhere on the web, for `import URL`.

use std::io::Read;

use super::{Client, Result, error::Error, host::Agents};

/// How many redirects are followed: mirrors answer with one or two.
const REDIRECTS_MAX: u32 = 10;

impl Client {
    /// The body of the answer to GET `url`, followed through redirects.
    ///
    /// # Errors
    /// [`super::Kind::Unavailable`] when nobody answers, [`super::Kind::Invalid`] for an answer
    /// that is no success.
    pub fn download(&self, url: &str) -> Result<impl Read + use<>> {
        let what = format!("cannot download {url}");
        let authority = url.split("://").nth(1).unwrap_or_default().split('/').next();
        let agents = Agents::new(authority.unwrap_or_default(), &self.options)?;
        let get = agents.for_url(url).get(url).config().max_redirects(REDIRECTS_MAX).build();
        let answer = get.call().map_err(|error| {
            Error::unavailable(
                ground::Error::new(&what)
                    .why(error.to_string())
                    .fix("look at the address, and whether a proxy is needed (HTTPS_PROXY)"),
            )
        })?;
        if !answer.status().is_success() {
            let why = format!("the server answered {}", answer.status());
            return Err(Error::invalid(what, why));
        }
        Ok(answer.into_body().into_reader())
    }
}
