//! Credentials: who we are, as Docker's `config.json` and its helper programs know it.
//!
//! `auths` holds name and password in base64, readable for anybody who can read the file; a helper
//! program (`docker-credential-NAME`) asks a key ring instead. A helper for one registry wins over
//! the general one, and both over the file. `keep` writes what is read here.
//!
//! Source: docs.docker.com, "docker login"; github.com/docker/docker-credential-helpers.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Result,
    error::{Error, Kind},
    helper::Helper,
    login::Login,
};

/// What Docker calls docker.io in this file, for the sake of 2013.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The parts of `config.json` that say who we are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "lowercase", default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry(..)")
    }
}

impl Credentials {
    /// Reads Docker's `config.json`; what else is in it is ignored.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it is not JSON of that shape.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(unreadable)
    }

    /// The same with one login more, which wins over what was there for that registry.
    pub fn with(mut self, domain: &str, login: Login) -> Self {
        let mut entry = Entry::default();
        match login {
            Login::Password { username, password } => {
                (entry.username, entry.password) = (Some(username), Some(password));
            }
            Login::IdentityToken(token) => entry.identitytoken = Some(token),
            Login::RegistryToken(token) => entry.registrytoken = Some(token),
        }
        self.cred_helpers.remove(key(domain));
        // An empty name means: no helper for this one.
        self.cred_helpers.insert(key(domain).to_owned(), String::new());
        self.auths.insert(key(domain).to_owned(), entry);
        self
    }

    /// Docker's `config.json` with a login added or, by `None`, taken out; all else stays as it is.
    /// The result holds a secret: it belongs into a file that only its owner can read.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if `json` is no JSON object.
    pub fn rewrite(json: &[u8], domain: &str, entry: Option<Written<'_>>) -> Result<Vec<u8>> {
        let mut config: Map<String, Value> = serde_json::from_slice(json).map_err(unreadable)?;
        let auths = config.entry("auths").or_insert_with(|| json!({}));
        let auths = auths.as_object_mut().ok_or_else(|| unreadable("auths is no object"))?;
        auths.retain(|name, _| bare(name) != bare(key(domain)));
        if let Some(entry) = entry {
            auths.insert(key(domain).to_owned(), entry.json());
        }
        serde_json::to_vec_pretty(&config).map_err(unreadable)
    }

    /// The program that keeps the login of `domain`, if one does.
    pub(super) fn helper(&self, domain: &str) -> Option<Helper<'_>> {
        let name = self.cred_helpers.get(key(domain)).or(self.creds_store.as_ref())?;
        (!name.is_empty()).then_some(Helper(name))
    }

    /// Whether the file says anything about `domain`.
    pub fn knows(&self, domain: &str) -> bool {
        self.auths.keys().any(|name| bare(name) == bare(key(domain)))
    }

    /// How to prove who we are to `domain`; `None` for anonymous.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`] if a helper program cannot be run or fails.
    pub fn login(&self, domain: &str) -> Result<Option<Login>> {
        let key = key(domain);
        if let Some(helper) = self.helper(domain)
            && let Some(login) = helper.get(key)?
        {
            return Ok(Some(login));
        }
        let found = self.auths.iter().find(|(name, _)| bare(name) == bare(key));
        found.map_or(Ok(None), |(_, entry)| entry.login(domain))
    }
}

/// What is written into `auths` about a registry.
#[derive(Debug, Clone, Copy)]
pub enum Written<'a> {
    /// The login itself.
    Login(&'a Login),
    /// That a helper program has it.
    Elsewhere,
}

impl Written<'_> {
    fn json(self) -> Value {
        match self {
            Self::Elsewhere => json!({}),
            Self::Login(Login::Password { username, password }) => {
                json!({ "auth": BASE64_STANDARD.encode(format!("{username}:{password}")) })
            }
            Self::Login(Login::IdentityToken(token)) => json!({ "identitytoken": token }),
            Self::Login(Login::RegistryToken(token)) => json!({ "registrytoken": token }),
        }
    }
}

pub(super) fn unreadable(why: impl fmt::Display) -> Error {
    let report = ground::Error::new("cannot read the credentials in config.json")
        .why(why.to_string())
        .fix("mend the file, or move it away and log in again");
    Error::new(Kind::Invalid, report)
}

impl Entry {
    fn login(&self, domain: &str) -> Result<Option<Login>> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.registrytoken) {
            return Ok(Some(Login::RegistryToken(token)));
        }
        if let Some(token) = filled(&self.identitytoken) {
            return Ok(Some(Login::IdentityToken(token)));
        }
        if let (Some(username), Some(password)) = (filled(&self.username), filled(&self.password)) {
            return Ok(Some(Login::Password { username, password }));
        }
        let Some(auth) = filled(&self.auth) else { return Ok(None) };
        let decoded = BASE64_STANDARD.decode(auth).ok().and_then(|b| String::from_utf8(b).ok());
        let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
        match pair {
            Some((username, password)) => Ok(Some(Login::Password {
                username: username.to_owned(),
                // Docker once padded with zero bytes, and still takes them off.
                password: password.trim_end_matches('\0').to_owned(),
            })),
            None => {
                let report = ground::Error::new(format!("cannot log in to {domain}"))
                    .why("its auth in config.json is not name:password in base64")
                    .fix(format!("log in again: mini-docker login {domain}"));
                Err(Error::new(Kind::Unauthorized, report))
            }
        }
    }
}

/// What a registry is called in the file, and by helper programs.
pub(super) fn key(domain: &str) -> &str {
    if domain == "docker.io" { DOCKER_HUB } else { domain }
}

/// Old files have whole URLs as keys.
fn bare(key: &str) -> &str {
    if key == DOCKER_HUB {
        return key;
    }
    let key = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
    key.split('/').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(username: &str, password: &str) -> Option<Login> {
        Some(Login::Password { username: username.into(), password: password.into() })
    }

    #[track_caller]
    fn check(domain: &str, expected: Option<Login>) {
        // "dTpwOnE=" is u:p:q, "YTpi" is a:b.
        let json = br#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "dTpwOnE="},
                "https://old.example/v2/": {"auth": "YTpi"},
                "reg.example:5000": {"identitytoken": "t", "auth": "YTpi"},
                "empty.example": {}
            },
            "HttpHeaders": {"x": "y"}
        }"#;
        assert_eq!(Credentials::parse(json).unwrap().login(domain).unwrap(), expected);
    }

    #[test]
    fn logins_are_found_under_the_names_that_docker_uses() {
        check("docker.io", password("u", "p:q"));
        check("old.example", password("a", "b"));
        check("reg.example:5000", Some(Login::IdentityToken("t".into())));
        check("reg.example", None);
        check("empty.example", None);
    }

    #[test]
    fn a_login_given_now_wins_over_every_helper() {
        let credentials = Credentials::parse(br#"{"credsStore": "does-not-exist"}"#).unwrap();
        assert_eq!(credentials.login("a").unwrap_err().kind, Kind::Unauthorized);
        let login = Login::RegistryToken("t".into());
        assert_eq!(credentials.with("a", login.clone()).login("a").unwrap(), Some(login));
    }

    #[test]
    fn logging_in_and_out_changes_nothing_else_in_the_file() {
        let json =
            br#"{"detachKeys": "ctrl-x", "auths": {"https://a.example/v1/": {"auth": "x"}}}"#;
        let login = password("u", "p:q").unwrap();
        let written =
            Credentials::rewrite(json, "a.example", Some(Written::Login(&login))).unwrap();
        let config: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(
            config,
            json!({"detachKeys": "ctrl-x", "auths": {"a.example": {"auth": "dTpwOnE="}}})
        );
        let read = Credentials::parse(&written).unwrap();
        assert_eq!(read.login("a.example").unwrap(), Some(login));
        let out = Credentials::rewrite(&written, "a.example", None).unwrap();
        assert_eq!(Credentials::parse(&out).unwrap().login("a.example").unwrap(), None);
        assert!(Credentials::rewrite(b"[]", "a.example", None).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials::default().with("a", password("u", "secret").unwrap());
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
