//! Helper: a program that keeps logins in a key ring, `docker-credential-NAME`.
//!
//! It is called with one word, `get`, `store` or `erase`, and told the rest on its standard input.
//!
//! Source: github.com/docker/docker-credential-helpers.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde::Deserialize;
use serde_json::json;

use super::{
    Result,
    error::{Error, Kind},
    login::Login,
};

/// What a helper calls the name of who has a token instead of a password.
const TOKEN: &str = "<token>";
/// What a helper says when it does not know a registry.
const NOT_FOUND: &str = "credentials not found";

/// A helper program, by the last part of its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Helper<'a>(pub &'a str);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Helper<'_> {
    /// The login that it keeps for `server`.
    pub(super) fn get(&self, server: &str) -> Result<Option<Login>> {
        let output = self.run("get", server, server)?;
        let Some(said) = self.judge("get", server, &output)? else { return Ok(None) };
        let answer: Answer = serde_json::from_slice(said)
            .map_err(|error| self.failed("get", server, error.to_string()))?;
        Ok(Some(match answer.username.as_str() {
            TOKEN => Login::IdentityToken(answer.secret),
            _ => Login::Password { username: answer.username, password: answer.secret },
        }))
    }

    /// Has it keep a login.
    pub(super) fn store(&self, server: &str, login: &Login) -> Result<()> {
        let (username, secret) = match login {
            Login::Password { username, password } => (username.as_str(), password),
            Login::IdentityToken(token) | Login::RegistryToken(token) => (TOKEN, token),
        };
        let told = json!({ "ServerURL": server, "Username": username, "Secret": secret });
        let output = self.run("store", server, &told.to_string())?;
        self.judge("store", server, &output).map(drop)
    }

    /// Has it forget a login.
    pub(super) fn erase(&self, server: &str) -> Result<()> {
        let output = self.run("erase", server, server)?;
        self.judge("erase", server, &output).map(drop)
    }

    fn program(&self) -> String {
        format!("docker-credential-{}", self.0)
    }

    fn run(&self, word: &str, server: &str, input: &str) -> Result<Output> {
        if self.0.contains('/') {
            return Err(self.failed(word, server, "a helper's name has no slash".into()));
        }
        let run = || {
            let mut child = Command::new(self.program())
                .arg(word)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A helper that does not want to know shows it by its answer.
                let _ = stdin.write_all(input.as_bytes());
            }
            child.wait_with_output()
        };
        run().map_err(|error| self.failed(word, server, error.to_string()))
    }

    /// What it said, if it did what it was asked for; `None` if it does not know the registry.
    fn judge<'o>(&self, word: &str, server: &str, output: &'o Output) -> Result<Option<&'o [u8]>> {
        if output.status.success() {
            return Ok(Some(&output.stdout));
        }
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match said.contains(NOT_FOUND) {
            true => Ok(None),
            false => Err(self.failed(word, server, said)),
        }
    }

    fn failed(&self, word: &str, server: &str, why: String) -> Error {
        let report = ground::Error::new(format!("cannot log in to {server}"))
            .why(format!("{} {word}: {why}", self.program()))
            .fix("install that program, or take credsStore and credHelpers out of config.json");
        Error::new(Kind::Unauthorized, report)
    }
}
