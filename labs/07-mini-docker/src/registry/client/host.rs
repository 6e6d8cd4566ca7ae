//! Host: what a registry's name means on the network.
//!
//! `docker.io` is a name in references only; its API is at registry-1.docker.io. TLS is the rule:
//! without it anybody on the way could answer. The exceptions are those that Docker makes:
//! registries on this machine (127.0.0.0/8, ::1, localhost), and those that somebody named as
//! insecure. For them both schemes are tried, once.

use std::{
    collections::HashMap,
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use ureq::{
    Agent, Proxy,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{
    Options, Result,
    error::{Action, Error, Kind, Subject, failed},
};

/// Where the API of docker.io is.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// A registry that we know how to reach.
#[derive(Debug)]
pub(super) struct Host {
    /// The name in references.
    pub domain: String,
    /// `https://host:port`, without a slash at the end.
    pub base: String,
    pub agent: Agent,
    /// `Authorization` headers that worked, by scope.
    pub authorizations: Mutex<HashMap<String, String>>,
}

impl Host {
    /// Finds out how to reach `domain`.
    pub(super) fn find(domain: &str, options: &Options) -> Result<Self> {
        let agent = agent(domain, options)?;
        let authority = if domain == "docker.io" { DOCKER_HUB } else { domain };
        let base = match schemes(domain, &options.insecure) {
            [only] => format!("{only}://{authority}"),
            both => choose(&agent, domain, authority, both)?,
        };
        Ok(Self { domain: domain.to_owned(), base, agent, authorizations: Mutex::default() })
    }

    /// Whether `url` is on this registry, so that it may see our authorisation.
    pub(super) fn owns(&self, url: &str) -> bool {
        url.strip_prefix(&self.base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether we speak to this registry without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.base.starts_with("http://")
    }
}

/// The schemes to try. On this machine plain HTTP comes first, since nobody is on the way; an
/// insecure registry elsewhere may still have learnt TLS, which then protects our password.
fn schemes(domain: &str, insecure: &[String]) -> &'static [&'static str] {
    if is_loopback(domain) {
        &["http", "https"]
    } else if insecure.iter().any(|name| name == domain || name == without_port(domain)) {
        &["https", "http"]
    } else {
        &["https"]
    }
}

/// Asks `/v2/` by one scheme after the other. Any answer of HTTP decides, a 401 as well, except
/// the 400 with which a TLS server greets those who do not speak it.
fn choose(agent: &Agent, domain: &str, authority: &str, schemes: &[&str]) -> Result<String> {
    let mut last = None;
    for scheme in schemes {
        let base = format!("{scheme}://{authority}");
        match agent.get(format!("{base}/v2/")).call() {
            Ok(answer) if *scheme == "http" && answer.status() == 400 => {}
            Ok(_) => return Ok(base),
            // The first failure tells more: the second scheme was only a guess.
            Err(error) => last = last.or(Some(error)),
        }
    }
    let subject = Subject::registry(Action::LogIn, domain);
    let mut error = failed(&subject, &last.unwrap_or(ureq::Error::ConnectionFailed));
    if error.kind != Kind::Insecure {
        error.report.what = format!("cannot reach the registry {domain}");
    }
    Err(error)
}

/// Whether the name means this very machine.
pub(super) fn is_loopback(domain: &str) -> bool {
    let host = without_port(domain).trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn without_port(domain: &str) -> &str {
    match domain.rsplit_once(':') {
        // The colons of [::1] are not a port's.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => domain,
    }
}

pub(super) fn agent(domain: &str, options: &Options) -> Result<Agent> {
    let proxy = match &options.proxy {
        Some(url) if !is_loopback(domain) => Some(Proxy::new(url).map_err(|error| {
            let report = ground::Error::new("cannot use the proxy")
                .why(format!("{url}: {error}"))
                .fix("set HTTPS_PROXY to http://host:port, or unset it");
            Error::new(Kind::Invalid, report)
        })?),
        _ => None,
    };
    let roots = roots(domain, &options.certs_dirs)?;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // Ours: see `request`.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // A packed layer is content; nobody on the way may unpack it.
        .accept_encoding("identity")
        .user_agent(concat!("mini-docker/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(options.silence_max))
        .timeout_per_read(Some(options.silence_max))
        .timeout_per_write(Some(options.silence_max))
        .max_idle_connections_per_host(8)
        .input_buffer_size(128 << 10)
        .output_buffer_size(128 << 10)
        .proxy(proxy)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build();
    Ok(config.into())
}

/// Whom to believe: the machine's own certificates, else Mozilla's, and those put beside the
/// registry's name (docs.docker.com, "Verify repository client with certificates").
fn roots(domain: &str, certs_dirs: &[impl AsRef<Path>]) -> Result<RootCerts> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for dir in certs_dirs {
        let Ok(entries) = fs::read_dir(dir.as_ref().join(domain)) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|kind| kind == "crt") {
                roots.push(read_certificate(&path)?);
            }
        }
    }
    // Reading the machine's certificates takes milliseconds that plain HTTP should not pay.
    if roots.is_empty() && is_loopback(domain) {
        return Ok(RootCerts::WebPki);
    }
    let machine = rustls_native_certs::load_native_certs().certs;
    if roots.is_empty() && machine.is_empty() {
        return Ok(RootCerts::WebPki);
    }
    roots.extend(machine.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()));
    Ok(RootCerts::Specific(Arc::new(roots)))
}

fn read_certificate(path: &Path) -> Result<Certificate<'static>> {
    let unreadable = |why: String| {
        let report = ground::Error::new("cannot read a registry's certificate")
            .why(format!("{}: {why}", path.display()))
            .fix("it must be one certificate in PEM form, readable for you");
        Error::new(Kind::Insecure, report)
    };
    let pem = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    Certificate::from_pem(&pem).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(domain: &str, expected: &[&str]) {
        let insecure = ["lab.example:5000".to_owned(), "old.example".to_owned()];
        assert_eq!(schemes(domain, &insecure), expected);
    }

    #[test]
    fn only_this_machine_and_those_named_may_do_without_tls() {
        check("docker.io", &["https"]);
        check("localhost", &["http", "https"]);
        check("localhost:5000", &["http", "https"]);
        check("127.0.0.1:5000", &["http", "https"]);
        check("127.9.9.9", &["http", "https"]);
        check("[::1]:5000", &["http", "https"]);
        check("[::1]", &["http", "https"]);
        check("128.0.0.1:5000", &["https"]);
        check("localhost.example", &["https"]);
        check("lab.example:5000", &["https", "http"]);
        check("lab.example", &["https"]);
        check("old.example:8080", &["https", "http"]);
    }
}
