//! login and logout: who we are at a registry, tried there before it is kept.

use ground::Error as Report;

use super::{Engine, Error, Result};
use crate::registry::client::{Kept, Login};

/// The registry that is meant where none is named.
pub const DOCKER_HUB: &str = "docker.io";

impl Engine {
    /// Asks the registry whether it takes the login, and keeps it for later.
    ///
    /// # Errors
    /// The registry's; then nothing is kept. Those of the file, or of a helper program.
    pub fn login(&self, domain: &str, login: Login) -> Result<Kept> {
        self.client()?.try_login(domain, login.clone())?;
        Ok(self.config_file.keep(domain, &login)?)
    }

    /// Asks the registry whether it takes the login that is kept; `false` if none is.
    ///
    /// # Errors
    /// As [`Engine::login`].
    pub fn login_as_before(&self, domain: &str) -> Result<bool> {
        let Some(login) = self.config_file.credentials()?.login(domain)? else { return Ok(false) };
        self.client()?.try_login(domain, login)?;
        Ok(true)
    }

    /// Forgets the login for a registry. `false` if there was none.
    ///
    /// # Errors
    /// Those of the file, or of a helper program.
    pub fn logout(&self, domain: &str) -> Result<bool> {
        Ok(self.config_file.forget(domain)?)
    }
}

/// What people write for a registry: a name, a URL, or Docker's old address of docker.io.
///
/// # Errors
/// What cannot be a registry's name.
pub fn registry_domain(text: &str) -> Result<String> {
    let bare = text.strip_prefix("https://").or(text.strip_prefix("http://")).unwrap_or(text);
    let domain = bare.split('/').next().unwrap_or(bare);
    match domain {
        "index.docker.io" | "registry-1.docker.io" | "docker.io" => Ok(DOCKER_HUB.to_owned()),
        "" => Err(Error::invalid(
            Report::new(format!("invalid registry: {text:?}"))
                .why("there is no name in it")
                .fix("mini-docker login HOST[:PORT]"),
        )),
        domain => Ok(domain.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_may_be_written_as_a_url() {
        let check = |text, expected| assert_eq!(registry_domain(text).unwrap(), expected);
        check("https://index.docker.io/v1/", "docker.io");
        check("docker.io", "docker.io");
        check("https://reg.example:5000/v2/", "reg.example:5000");
        check("localhost:5000", "localhost:5000");
        registry_domain("https://").unwrap_err();
    }
}
