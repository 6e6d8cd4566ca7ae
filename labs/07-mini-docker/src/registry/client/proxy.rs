//! Proxy: which address is reached through which proxy.
//!
//! The rules are those of Go's programs, and so of Docker: HTTPS_PROXY for https addresses,
//! HTTP_PROXY for http, NO_PROXY for exceptions, and this very machine never.
//!
//! Source: docs.docker.com, "Daemon proxy configuration"; golang.org/x/net/http/httpproxy.

use std::net::IpAddr;

use super::network::{Network, is_loopback, without_port};

/// What the environment or daemon.json say about proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For http addresses.
    pub http: Option<String>,
    /// For https addresses.
    pub https: Option<String>,
    /// Whom to reach without, separated by commas: `host`, `.domain`, `host:port`, an address, a
    /// network as 10.0.0.0/8, or `*`.
    pub none_for: Option<String>,
}

impl Proxies {
    /// The proxy on the way to `url`.
    pub(super) fn on_the_way_to(&self, url: &str) -> Option<&str> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let proxy = if scheme == "https" { &self.https } else { &self.http };
        let proxy = proxy.as_deref().filter(|proxy| !proxy.is_empty())?;
        (!is_loopback(authority) && !self.is_exception(authority)).then_some(proxy)
    }

    fn is_exception(&self, authority: &str) -> bool {
        let words = self.none_for.as_deref().unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).any(|word| fits(word, authority))
    }
}

/// Whether an entry of NO_PROXY means `authority`.
fn fits(entry: &str, authority: &str) -> bool {
    let host = without_port(authority).trim_start_matches('[').trim_end_matches(']');
    let (entry, host) = (entry.to_ascii_lowercase(), host.to_ascii_lowercase());
    if entry == "*" || entry == authority.to_ascii_lowercase() || entry == host {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return entry.parse::<Network>().is_ok_and(|network| network.holds(address));
    }
    // `example.com` means itself and what is below, `.example.com` only the latter.
    let domain = entry.trim_start_matches('*').trim_start_matches('.');
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(none_for: &str, url: &str, expected: Option<&str>) {
        let proxies = Proxies {
            http: Some("http://plain:1".into()),
            https: Some("http://tls:2".into()),
            none_for: Some(none_for.into()),
        };
        assert_eq!(proxies.on_the_way_to(url), expected, "{none_for} {url}");
    }

    #[test]
    fn a_proxy_is_chosen_as_by_go() {
        check("", "https://registry.example/v2/", Some("http://tls:2"));
        check("", "http://registry.example:5000", Some("http://plain:1"));
        check("", "http://localhost:5000/v2/", None);
        check("", "http://127.0.0.1:5000/v2/", None);
        check("*", "https://registry.example", None);
        check("other.example, example", "https://registry.example", None);
        check("registry.example", "https://my.registry.example", None);
        check(".registry.example", "https://registry.example", Some("http://tls:2"));
        check("registry.example:443", "https://registry.example:5000", Some("http://tls:2"));
        check("registry.example:5000", "https://registry.example:5000", None);
        check("try.example", "https://registry.example", Some("http://tls:2"));
        check("10.0.0.0/8", "http://10.1.2.3:5000", None);
        check("10.0.0.0/8", "http://11.1.2.3:5000", Some("http://plain:1"));
        check("fd00::/8", "http://[fd00::1]:5000", None);
    }
}
