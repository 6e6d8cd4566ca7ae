//! Host: what a registry's name means on the network.
//!
//! `docker.io` is a name in references only; its API is at registry-1.docker.io. TLS is the rule:
//! without it anybody on the way could answer. The exceptions are those that Docker makes:
//! registries on this machine (127.0.0.0/8, ::1, localhost), and those that somebody named as
//! insecure. For them both schemes are tried, once.

use std::{
    collections::HashMap,
    sync::{Mutex, atomic::AtomicBool},
};

use ureq::{Agent, Proxy, tls::TlsConfig};

use super::{
    Options, Result, certs,
    error::{Action, Error, Kind, Subject, failed},
    network::{is_loopback, is_one_of},
    proxy::Proxies,
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
    /// `Authorization` headers that worked, by scope.
    pub authorizations: Mutex<HashMap<String, String>>,
    /// Whether the last try found nobody there; only asked of mirrors.
    pub is_silent: AtomicBool,
    agents: Agents,
}

impl Host {
    /// Finds out how to reach `domain`.
    pub(super) fn find(domain: &str, options: &Options) -> Result<Self> {
        let agents = Agents::new(domain, options)?;
        let authority = if domain == "docker.io" { DOCKER_HUB } else { domain };
        let base = match schemes(domain, &options.insecure) {
            [only] => format!("{only}://{authority}"),
            both => choose(&agents, domain, authority, both)?,
        };
        Ok(Self::at(domain, base, agents))
    }

    /// The mirror at a URL, whose scheme somebody chose.
    pub(super) fn mirror(url: &str, options: &Options) -> Result<Self> {
        let url = url.trim_end_matches('/');
        let domain = match url.split_once("://") {
            Some(("http" | "https", domain)) if !domain.is_empty() && !domain.contains('/') => {
                domain
            }
            _ => return Err(no_mirror(url)),
        };
        Ok(Self::at(domain, url.to_owned(), Agents::new(domain, options)?))
    }

    fn at(domain: &str, base: String, agents: Agents) -> Self {
        Self {
            domain: domain.to_owned(),
            base,
            authorizations: Mutex::default(),
            is_silent: AtomicBool::new(false),
            agents,
        }
    }

    /// Who sends requests to `url`: directly, or through a proxy.
    pub(super) fn agent(&self, url: &str) -> &Agent {
        self.agents.for_url(url)
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

fn no_mirror(url: &str) -> Error {
    let report = ground::Error::new(format!("invalid mirror: {url}"))
        .why("a mirror is http://HOST[:PORT] or https://HOST[:PORT], without a path")
        .fix("correct registry-mirrors in daemon.json");
    Error::new(Kind::Invalid, report)
}

/// The schemes to try. On this machine plain HTTP comes first, since nobody is on the way; an
/// insecure registry elsewhere may still have learnt TLS, which then protects our password.
fn schemes(domain: &str, insecure: &[String]) -> &'static [&'static str] {
    if is_loopback(domain) {
        &["http", "https"]
    } else if is_one_of(domain, insecure) {
        &["https", "http"]
    } else {
        &["https"]
    }
}

/// Asks `/v2/` by one scheme after the other. Any answer of HTTP decides, a 401 as well, except
/// the 400 with which a TLS server greets those who do not speak it.
fn choose(agents: &Agents, domain: &str, authority: &str, schemes: &[&str]) -> Result<String> {
    let mut last = None;
    for scheme in schemes {
        let base = format!("{scheme}://{authority}");
        let url = format!("{base}/v2/");
        match agents.for_url(&url).get(url).call() {
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

/// Who sends requests. A redirect may lead elsewhere, where another proxy or none is on the way.
#[derive(Debug)]
pub(super) struct Agents {
    direct: Agent,
    proxied: HashMap<String, Agent>,
    proxies: Proxies,
}

impl Agents {
    pub(super) fn new(domain: &str, options: &Options) -> Result<Self> {
        let tls = certs::tls(domain, options)?;
        let urls = [&options.proxies.http, &options.proxies.https].into_iter().flatten();
        let mut proxied = HashMap::new();
        for url in urls.filter(|url| !url.is_empty()) {
            let proxy = Proxy::new(url).map_err(|error| {
                let report = ground::Error::new("cannot use the proxy")
                    .why(format!("{url}: {error}"))
                    .fix("set HTTPS_PROXY and HTTP_PROXY to http://host:port, or unset them");
                Error::new(Kind::Invalid, report)
            })?;
            proxied.insert(url.clone(), agent(options, tls.clone(), Some(proxy)));
        }
        let direct = agent(options, tls, None);
        Ok(Self { direct, proxied, proxies: options.proxies.clone() })
    }

    pub(super) fn for_url(&self, url: &str) -> &Agent {
        let proxy = self.proxies.on_the_way_to(url);
        proxy.and_then(|proxy| self.proxied.get(proxy)).unwrap_or(&self.direct)
    }
}

fn agent(options: &Options, tls: TlsConfig, proxy: Option<Proxy>) -> Agent {
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
        .tls_config(tls)
        .build();
    config.into()
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
