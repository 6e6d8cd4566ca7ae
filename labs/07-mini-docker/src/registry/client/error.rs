//! The client's error: a registry's answer, in Docker's words first, then why and how to mend it.

use std::{
    fmt,
    io::{self, ErrorKind},
    time::Duration,
};

use serde::Deserialize;

/// What the client's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was, for callers that do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is no such repository, manifest or blob.
    NotFound,
    /// The registry wants to know who we are, or knows and does not like it.
    Unauthorized,
    /// The registry does not allow it to anybody, or not now (405, quota).
    Denied,
    /// No answer, or one that may be another the next time.
    Unavailable {
        /// How long the registry asks us to wait.
        retry_after: Option<Duration>,
    },
    /// TLS is not spoken, or by somebody whose certificate nobody vouches for.
    Insecure,
    /// The answer makes no sense, or is not what its digest promised.
    Invalid,
}

/// A failure of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What to branch on.
    pub kind: Kind,
    /// What to tell.
    pub report: ground::Error,
}

impl Error {
    pub(super) fn new(kind: Kind, report: ground::Error) -> Self {
        Self { kind, report }
    }

    pub(super) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, ground::Error::new(what).why(why).fix(BROKEN))
    }

    /// A connection that broke off while somebody read from it.
    pub(crate) fn cut(report: ground::Error) -> Self {
        Self::unavailable(report)
    }

    pub(super) fn unavailable(report: ground::Error) -> Self {
        Self::new(Kind::Unavailable { retry_after: None }, report)
    }
}

const BROKEN: &str = "try again; if it stays so, the registry or something before it is broken";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<Error> for ground::Error {
    fn from(error: Error) -> Self {
        error.report
    }
}

/// What we were about to do, for the words of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Pull,
    Push,
    Delete,
    List,
    Search,
    LogIn,
}

impl Action {
    fn verb(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Search => "search",
            Self::LogIn => "log in to",
        }
    }

    /// The actions of a token's scope (Docker's "Token Scope Documentation").
    pub(super) fn scope(self) -> &'static str {
        match self {
            Self::Pull | Self::List | Self::Search | Self::LogIn => "pull",
            Self::Push => "pull,push",
            Self::Delete => "pull,delete",
        }
    }
}

/// What was done to whom, as in `cannot pull alpine:3.20`.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub action: Action,
    /// The name as people write it, with tag or digest.
    pub name: String,
    /// The same without.
    pub repository: String,
    /// The registry.
    pub domain: String,
}

impl Subject {
    /// A registry as a whole.
    pub(super) fn registry(action: Action, domain: &str) -> Self {
        let name = domain.to_owned();
        Self { action, repository: name.clone(), domain: name.clone(), name }
    }

    pub(super) fn cannot(&self) -> String {
        format!("cannot {} {}", self.action.verb(), self.name)
    }
}

/// `{"errors": [{"code", "message"}]}`: the body of a refusal.
///
/// Source: distribution specification, "Error Codes".
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Debug, Default, Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The error for an answer that is no success.
pub(super) fn refused(subject: &Subject, status: u16, body: &[u8]) -> Error {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let reason = refusal.errors.into_iter().next().unwrap_or_default();
    let said = match (reason.code.as_str(), reason.message.as_str()) {
        ("", "") => format!("the registry answered {status}"),
        (code, "") => format!("the registry answered {status} {code}"),
        (code, message) => format!("the registry answered {status} {code}: {message}"),
    };
    let (kind, what, fix) = words(subject, status, &reason.code);
    let report = ground::Error::new(what).why(said);
    Error::new(kind, if fix.is_empty() { report } else { report.fix(fix) })
}

/// Docker's words for a refusal, and what helps.
fn words(subject: &Subject, status: u16, code: &str) -> (Kind, String, String) {
    let Subject { name, repository, domain, .. } = subject;
    let log_in = format!("check the name; if it is private: mini-docker login {domain}");
    let unavailable = Kind::Unavailable { retry_after: None };
    let (kind, what, fix) = match (status, code) {
        (401 | 403, _) | (_, "DENIED" | "UNAUTHORIZED") if subject.action == Action::LogIn => (
            Kind::Unauthorized,
            "unauthorized: incorrect username or password",
            "check both; where a second factor is asked for, a token takes the password's place",
        ),
        (401 | 403, _) | (_, "DENIED" | "UNAUTHORIZED") => {
            return (Kind::Unauthorized, denied(subject), log_in);
        }
        (_, "MANIFEST_BLOB_UNKNOWN") => (
            Kind::Invalid,
            "blob unknown to registry",
            "push again: the blobs go before the manifest",
        ),
        (404, "NAME_UNKNOWN") => {
            let what = format!("repository {repository} not found: name unknown");
            let fix = format!("check the spelling; {domain}/v2/_catalog may list the names there");
            return (Kind::NotFound, what, fix);
        }
        (404, "BLOB_UNKNOWN") => (
            Kind::NotFound,
            "blob unknown to registry",
            "the image is incomplete there; whoever pushed it must push it again",
        ),
        // Forgotten, not where we thought after a cut, or still held by the line that broke.
        (_, "BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID") => (
            unavailable,
            "the upload cannot go on",
            "push again: what the registry has whole is not sent again",
        ),
        (404, _) => {
            let what = format!("manifest for {name} not found: manifest unknown");
            let fix = "check the tag: another one may exist, and \"latest\" need not".to_owned();
            return (Kind::NotFound, what, fix);
        }
        (405, _) | (_, "UNSUPPORTED") => (
            Kind::Denied,
            "the operation is unsupported",
            "the registry's owner must allow it (docker-registry: storage.delete.enabled)",
        ),
        (429, _) | (_, "TOOMANYREQUESTS") => {
            let fix = format!(
                "wait a while; who is logged in often may more: mini-docker login {domain}"
            );
            return (unavailable, format!("{}: toomanyrequests", subject.cannot()), fix);
        }
        (408 | 500..=599, _) => (unavailable, "the registry is unwell", "try again later"),
        _ => return (Kind::Invalid, subject.cannot(), BROKEN.into()),
    };
    (kind, format!("{}: {what}", subject.cannot()), fix.into())
}

fn denied(subject: &Subject) -> String {
    let repository = &subject.repository;
    match subject.action {
        Action::Pull => format!(
            "pull access denied for {repository}, repository does not exist or may require 'docker login'"
        ),
        Action::Push => format!("push access denied for {repository}"),
        _ => format!("{}: access denied", subject.cannot()),
    }
}

/// The error for no answer at all.
pub(super) fn failed(subject: &Subject, error: &ureq::Error) -> Error {
    let Subject { domain, .. } = subject;
    let report = ground::Error::new(subject.cannot());
    match error {
        ureq::Error::Rustls(error) => tls(domain, error),
        ureq::Error::Io(io) => match io.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(error) => tls(domain, error),
            None => Error::unavailable(connection(report, domain, io)),
        },
        ureq::Error::HostNotFound => Error::unavailable(
            report
                .why(format!("no such host: {domain} has no address"))
                .fix("check the name, the network and /etc/resolv.conf"),
        ),
        ureq::Error::Timeout(_) => Error::unavailable(
            report
                .why(format!("{domain} was silent for too long"))
                .fix("check the network; what was moved so far is kept for the next try"),
        ),
        ureq::Error::Protocol(error) => Error::unavailable(
            report.why(format!("{domain} does not speak HTTP: {error}")).fix(BROKEN),
        ),
        other => Error::unavailable(report.why(format!("{domain}: {other}")).fix(BROKEN)),
    }
}

fn connection(report: ground::Error, domain: &str, error: &io::Error) -> ground::Error {
    const KEPT: &str = "check the network; what was moved so far is kept for the next try";
    match error.kind() {
        ErrorKind::ConnectionRefused => report
            .io(format!("connect to {domain}"), error)
            .fix("is the registry running, and on that port?"),
        ErrorKind::UnexpectedEof => {
            report.why(format!("{domain} closed the connection without an answer")).fix(KEPT)
        }
        _ => report.io(format!("connection to {domain}"), error).fix(KEPT),
    }
}

/// The ways in which TLS fails: nobody speaks it there, nobody vouches for who does, or for us.
fn tls(domain: &str, error: &rustls::Error) -> Error {
    let report = match error {
        rustls::Error::InvalidMessage(_) => {
            ground::Error::new("http: server gave HTTP response to HTTPS client")
                .why(format!("{domain} does not speak TLS, and what is not encrypted can be changed by anybody on the way"))
                .fix(format!("give the registry a certificate, or allow it without, in daemon.json: {{\"insecure-registries\": [\"{domain}\"]}}"))
        }
        // Its answer to our certificate, or to none: RFC 8446, section 6.2.
        rustls::Error::AlertReceived(alert) => {
            ground::Error::new(format!("{domain} does not let us in"))
                .why(format!("TLS: it refuses the certificate that shows who we are, or misses it ({alert:?})"))
                .fix(format!("put yours and its key into /etc/docker/certs.d/{domain}, as client.cert and client.key"))
        }
        error => ground::Error::new(format!("cannot trust {domain}"))
            .why(format!("TLS: {error}"))
            .fix(format!("put the certificate of its authority into /etc/docker/certs.d/{domain}/ca.crt")),
    };
    Error::new(Kind::Insecure, report)
}
