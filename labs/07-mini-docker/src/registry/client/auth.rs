//! Auth: from a challenge to an `Authorization` header.
//!
//! ```text
//! client                      registry                token server
//!   | GET /v2/a/manifests/b      |                         |
//!   |--------------------------->|                         |
//!   | 401 Bearer realm, service  |                         |
//!   |<---------------------------|                         |
//!   | GET realm?service&scope    (name and password, if any)
//!   |----------------------------------------------------->|
//!   |                                  {"token": ".."}     |
//!   |<-----------------------------------------------------|
//!   | GET .. Authorization: Bearer                         |
//!   |--------------------------->|                         |
//! ```
//!
//! So a registry never sees a password, only what the token allows, for minutes.
//!
//! Source: Docker's "Token Authentication Specification" and "OAuth2 Token Authentication".

use std::io::Read;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use ureq::http::{Request, header};

use super::{
    Login, Result,
    challenge::Challenge,
    error::{Error, Kind, Subject, failed, refused},
    host::Host,
    network::is_loopback,
};

/// A token's answer is small; more than this is none.
const ANSWER_MAX: u64 = 1 << 20;

/// A token server's answer; the two names are one thing, from two generations.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Answers a challenge. `scope` is what we are about to do, in the words of tokens.
pub(super) fn authorize(
    host: &Host,
    challenge: &Challenge,
    login: Option<&Login>,
    request: (&str, &Subject),
) -> Result<String> {
    let (scope, subject) = request;
    match (challenge, login) {
        (_, Some(Login::RegistryToken(token))) => Ok(format!("Bearer {token}")),
        (Challenge::Basic, Some(Login::Password { username, password })) => {
            Ok(basic(username, password))
        }
        (Challenge::Basic, _) => Err(refused(
            subject,
            401,
            br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
        )),
        (Challenge::Bearer { realm, service, scope: asked }, login) => {
            may_be_asked(host, realm, subject)?;
            let scopes = scopes(scope, asked.as_deref());
            let answer = ask(host, realm, service.as_deref(), (&scopes, login, subject))?;
            Ok(format!("Bearer {answer}"))
        }
    }
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// What we want, and what the registry said we need.
fn scopes(ours: &str, asked: Option<&str>) -> Vec<String> {
    let mut scopes: Vec<String> = ours.split_whitespace().map(str::to_owned).collect();
    for scope in asked.unwrap_or_default().split_whitespace() {
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

/// A password must not travel without TLS because a registry says so.
fn may_be_asked(host: &Host, realm: &str, subject: &Subject) -> Result<()> {
    let plain = realm.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or(rest));
    match plain {
        Some(authority) if !host.is_plain() && !is_loopback(authority) => {
            let report = ground::Error::new(subject.cannot())
                .why(format!("{} sends us for a token to {realm}, without TLS", host.domain))
                .fix("the registry's token realm must be an https address");
            Err(Error::new(Kind::Insecure, report))
        }
        _ => Ok(()),
    }
}

fn ask(
    host: &Host,
    realm: &str,
    service: Option<&str>,
    (scopes, login, subject): (&[String], Option<&Login>, &Subject),
) -> Result<String> {
    let answer = match login {
        Some(Login::IdentityToken(token)) => refresh(host, realm, (service, scopes, token)),
        Some(Login::Password { username, password }) => {
            get(host, realm, (service, scopes, Some(basic(username, password))))
        }
        _ => get(host, realm, (service, scopes, None)),
    };
    let mut answer = answer.map_err(|error| failed(subject, &error))?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    let read = answer.body_mut().as_reader().take(ANSWER_MAX).read_to_end(&mut body);
    read.map_err(|error| failed(subject, &ureq::Error::Io(error)))?;
    if status != 200 {
        return Err(refused(subject, status, &body));
    }
    match serde_json::from_slice::<Answer>(&body) {
        Ok(Answer { token, .. }) if !token.is_empty() => Ok(token),
        Ok(Answer { access_token, .. }) if !access_token.is_empty() => Ok(access_token),
        _ => Err(Error::invalid(subject.cannot(), format!("{realm} answered without a token"))),
    }
}

type Asked<'a, T> = (Option<&'a str>, &'a [String], T);
type Answered = std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn get(host: &Host, realm: &str, asked: Asked<'_, Option<String>>) -> Answered {
    let (service, scopes, authorization) = asked;
    let mut url = realm.to_owned();
    let pairs = service.map(|service| ("service", service)).into_iter();
    for (name, value) in pairs.chain(scopes.iter().map(|scope| ("scope", scope.as_str()))) {
        url.push(if url.contains('?') { '&' } else { '?' });
        url = url + name + "=" + &encode(value);
    }
    let mut request = Request::get(url);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    host.agent(realm).run(request.body(()).map_err(ureq::Error::Http)?)
}

/// OAuth2: an identity token, from a helper program, for an access token.
fn refresh(host: &Host, realm: &str, asked: Asked<'_, &String>) -> Answered {
    let (service, scopes, token) = asked;
    let form = format!(
        "grant_type=refresh_token&client_id=mini-docker&service={}&scope={}&refresh_token={}",
        encode(service.unwrap_or_default()),
        encode(&scopes.join(" ")),
        encode(token)
    );
    let request = Request::post(realm)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.into_bytes());
    host.agent(realm).run(request.map_err(ureq::Error::Http)?)
}

/// Percent-encoding for a query or form (RFC 3986, section 2.3).
pub(super) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte);
    text.bytes().fold(String::new(), |encoded, byte| match plain(byte) {
        true => encoded + &char::from(byte).to_string(),
        false => encoded + &format!("%{byte:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_that_are_safe_stay_in_a_query() {
        assert_eq!(encode("repository:a/b:pull,push"), "repository:a/b:pull,push");
        assert_eq!(encode("Docker registry&x=1"), "Docker%20registry%26x%3D1");
    }

    #[test]
    fn each_scope_is_asked_for_once() {
        let asked =
            scopes("repository:a:pull,push", Some("repository:a:pull,push repository:b:pull"));
        assert_eq!(asked, ["repository:a:pull,push", "repository:b:pull"]);
    }
}
