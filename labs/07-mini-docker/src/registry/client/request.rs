//! Request: one question to a registry, with everything that may lie between it and the answer.
//!
//! An authorisation that is missing or has run out is fetched, once. Redirects are followed here
//! and not by the HTTP library, because of one rule: our authorisation is for the registry, and
//! the storage that it sends us to must not see it. A failure that may pass is tried again.

use std::{
    io::Read,
    sync::PoisonError,
    thread,
    time::{Duration, SystemTime},
};

use ureq::{
    Body, SendBody,
    http::{Method, Request, Response, StatusCode, header},
};

use super::{
    Client, Result,
    auth::authorize,
    challenge::Challenge,
    error::{Action, Error, Kind, Subject, failed, refused},
    host::Host,
};
use oci::Reference;

/// As many redirects as there can be sense in.
const REDIRECTS_MAX: u32 = 5;
/// The explanation of a refusal is small.
const REFUSAL_MAX: u64 = 64 << 10;

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub method: Method,
    /// `/v2/..`, or a whole URL that the registry gave us.
    pub target: String,
    pub headers: Vec<(header::HeaderName, String)>,
    /// The whole body, so that it can be sent again.
    pub body: &'a [u8],
    /// What the token must allow.
    pub scope: String,
    pub subject: Subject,
}

impl Ask<'_> {
    /// A question about `reference`; `rest` comes after the repository's name.
    pub(super) fn about(action: Action, method: Method, reference: &Reference, rest: &str) -> Self {
        Ask {
            method,
            target: format!("/v2/{}/{rest}", reference.path()),
            headers: Vec::new(),
            body: &[],
            scope: format!("repository:{}:{}", reference.path(), action.scope()),
            subject: Subject {
                action,
                name: reference.familiar(),
                repository: reference.familiar_name(),
                domain: reference.domain().to_owned(),
            },
        }
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer, and where it came from after all redirects.
pub(super) type Answer = Response<Body>;

impl Client {
    /// Asks until there is an answer that counts: one of `expected`, or an error that trying again
    /// will not mend.
    pub(super) fn ask(&self, ask: &Ask<'_>, expected: &[u16]) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            match self.ask_once(ask, expected) {
                Ok(answer) => return Ok(answer),
                Err(error) => match self.options.retry.wait(attempt, &error) {
                    Some(wait) => thread::sleep(wait),
                    None => return Err(error),
                },
            }
            attempt += 1;
        }
    }

    /// Asks once, with a body that can be sent again.
    pub(super) fn ask_once(&self, ask: &Ask<'_>, expected: &[u16]) -> Result<Answer> {
        let there = || self.ask_host(&*self.host(&ask.subject.domain)?, ask, expected);
        self.ask_mirrors_first(ask, expected, there)
    }

    /// Asks a host that is known.
    pub(super) fn ask_host(&self, host: &Host, ask: &Ask<'_>, expected: &[u16]) -> Result<Answer> {
        let answer = exchange(host, ask)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return judge(ask, answer, expected);
        }
        self.authorize(host, ask, answer)?;
        judge(ask, exchange(host, ask)?, expected)
    }

    /// Asks once, with a body that can be read only once.
    pub(super) fn ask_streaming(
        &self,
        ask: &Ask<'_>,
        body: (&mut dyn Read, u64),
        expected: &[u16],
    ) -> Result<Answer> {
        let host = self.host(&ask.subject.domain)?;
        let (reader, size) = body;
        let ask = &ask.clone().header(header::CONTENT_LENGTH, size.to_string());
        let answer = submit(&host, ask, reader)?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            // The token ran out on the way. The body is spent: the caller starts over.
            self.authorize(&host, ask, answer)?;
            let report = ground::Error::new(ask.subject.cannot()).why("the token had run out");
            return Err(Error::unavailable(report));
        }
        judge(ask, answer, expected)
    }

    /// Gets and remembers the authorisation that a 401 asks for.
    fn authorize(&self, host: &Host, ask: &Ask<'_>, answer: Answer) -> Result<()> {
        let challenges = answer.headers().get_all(header::WWW_AUTHENTICATE);
        let challenge = challenges
            .iter()
            .filter_map(|value| Challenge::parse(value.to_str().ok()?))
            // A token tells the registry less than a password.
            .max_by_key(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        let Some(challenge) = challenge else {
            return Err(judge(ask, answer, &[]).err().unwrap_or_else(|| unexpected(ask, 401)));
        };
        let login = self.options.credentials.login(&host.domain)?;
        let header = authorize(host, &challenge, login.as_ref(), (&ask.scope, &ask.subject))?;
        let mut known = host.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(ask.scope.clone(), header);
        Ok(())
    }
}

fn exchange(host: &Host, ask: &Ask<'_>) -> Result<Answer> {
    match is_question(ask) {
        true => follow(host, ask),
        false => submit(host, ask, &mut { ask.body }),
    }
}

/// Whether it only asks, so that it has no body and may be redirected.
fn is_question(ask: &Ask<'_>) -> bool {
    ask.method == Method::GET || ask.method == Method::HEAD
}

/// Follows a GET or HEAD to where its answer is.
fn follow(host: &Host, ask: &Ask<'_>) -> Result<Answer> {
    let mut url = absolute(&host.base, &ask.target);
    for _ in 0..=REDIRECTS_MAX {
        let answer = host.agent(&url).run(build(host, ask, &url)?);
        let answer = answer.map_err(|error| failed(&ask.subject, &error))?;
        match redirect(&answer, &url) {
            Some(next) => url = check_downgrade(host, ask, &url, next)?,
            None => return Ok(answer),
        }
    }
    let why = format!("more than {REDIRECTS_MAX} redirects, the last one to {url}");
    Err(Error::invalid(ask.subject.cannot(), why))
}

/// Sends a request with a body, which nobody can redirect: it would have to be sent twice.
fn submit(host: &Host, ask: &Ask<'_>, body: &mut dyn Read) -> Result<Answer> {
    let url = absolute(&host.base, &ask.target);
    let request = build(host, ask, &url)?;
    let answer = host.agent(&url).run(request.map(|()| SendBody::from_reader(body)));
    answer.map_err(|error| failed(&ask.subject, &error))
}

fn build(host: &Host, ask: &Ask<'_>, url: &str) -> Result<Request<()>> {
    let mut request = Request::builder().method(&ask.method).uri(url);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    if !is_question(ask) && !ask.headers.iter().any(|(name, _)| name == header::CONTENT_LENGTH) {
        request = request.header(header::CONTENT_LENGTH, ask.body.len());
    }
    if host.owns(url) {
        let known = host.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(authorization) = known.get(&ask.scope) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
    }
    request.body(()).map_err(|error| {
        Error::invalid(ask.subject.cannot(), format!("\"{url}\" is no address: {error}"))
    })
}

fn redirect(answer: &Answer, url: &str) -> Option<String> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    Some(absolute(origin(url), location))
}

fn check_downgrade(host: &Host, ask: &Ask<'_>, from: &str, to: String) -> Result<String> {
    if from.starts_with("https://") && to.starts_with("http://") && !host.is_plain() {
        let report = ground::Error::new(ask.subject.cannot())
            .why(format!("{} sends us on to {to}, without TLS", host.domain))
            .fix("the registry's storage must have an https address");
        return Err(Error::new(Kind::Insecure, report));
    }
    Ok(to)
}

/// `scheme://authority` of a URL.
fn origin(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
    &url[..end]
}

/// A `Location` is a whole URL, or a path on the same registry (RFC 9110, section 10.2.2).
pub(super) fn absolute(origin: &str, location: &str) -> String {
    if location.starts_with("http://") || location.starts_with("https://") {
        return location.to_owned();
    }
    format!("{origin}/{}", location.trim_start_matches('/'))
}

/// The answer if its status is expected, else the refusal in words.
fn judge(ask: &Ask<'_>, mut answer: Answer, expected: &[u16]) -> Result<Answer> {
    let status = answer.status().as_u16();
    if expected.contains(&status) {
        return Ok(answer);
    }
    if status < 400 {
        return Err(unexpected(ask, status));
    }
    let retry_after = retry_after(&answer);
    let mut body = Vec::new();
    // A refusal whose explanation is cut off is still a refusal.
    let _ = answer.body_mut().as_reader().take(REFUSAL_MAX).read_to_end(&mut body);
    let mut error = refused(&ask.subject, status, &body);
    if let Kind::Unavailable { retry_after: wait } = &mut error.kind {
        *wait = retry_after;
        let asked = retry_after.map(|time| Duration::from_secs(time.as_secs()));
        if let (Some(time), Some(why)) =
            (asked.filter(|time| !time.is_zero()), &mut error.report.why)
        {
            *why = format!("{why}; it asks us to wait {}", humantime::format_duration(time));
        }
    }
    Err(error)
}

fn unexpected(ask: &Ask<'_>, status: u16) -> Error {
    let why = format!("the registry answered {status}, which is no answer to {}", ask.method);
    Error::invalid(ask.subject.cannot(), why)
}

/// `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(answer: &Answer) -> Option<Duration> {
    let value = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            // What lies in the past is no wait at all.
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

/// A header as text.
pub(super) fn text(answer: &Answer, name: impl header::AsHeaderName) -> Option<&str> {
    answer.headers().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_url_or_a_path() {
        assert_eq!(absolute("http://a:1", "/v2/x?y=z"), "http://a:1/v2/x?y=z");
        assert_eq!(absolute("http://a:1", "https://b/x"), "https://b/x");
        assert_eq!(origin("https://b:2/x/y"), "https://b:2");
        assert_eq!(origin("https://b"), "https://b");
    }
}
