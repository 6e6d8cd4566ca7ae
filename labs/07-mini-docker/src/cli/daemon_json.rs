//! daemon.json: Docker's file of settings, for an engine without a daemon.
//!
//! ```json
//! {
//!   "data-root": "/srv/images",
//!   "registry-mirrors": ["http://mirror.lan:5000"],
//!   "insecure-registries": ["registry.lan:5000", "10.0.0.0/8"],
//!   "proxies": {"https-proxy": "http://proxy.lan:3128", "no-proxy": "*.lan"},
//!   "dns": ["10.0.0.53"], "dns-search": ["lan"], "dns-opts": ["ndots:1"]
//! }
//! ```
//!
//! The first of these files that is there counts: `~/.config/mini-docker/daemon.json`,
//! `/etc/mini-docker/daemon.json`, and Docker's own `/etc/docker/daemon.json`, whose registries,
//! proxies and name servers are this machine's; its data-root is Docker's. What else stands in them
//! is not ours, and ignored.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use serde::{Deserialize, de::DeserializeOwned};

use super::home::user_config_dir;

const DOCKERS: &str = "/etc/docker/daemon.json";

/// What of daemon.json concerns us.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct DaemonJson {
    /// Registries that may be spoken to without TLS.
    pub insecure_registries: Vec<String>,
    /// Who is asked first for what is at docker.io.
    pub registry_mirrors: Vec<String>,
    /// What lies on the way.
    pub proxies: Proxies,
    /// Whom containers ask for names, unless they are told otherwise.
    pub dns: Vec<IpAddr>,
    /// The domains in which they look for short names.
    pub dns_search: Vec<String>,
    /// How they ask.
    pub dns_opts: Vec<String>,
}

/// `proxies` of daemon.json.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[allow(clippy::struct_field_names, reason = "the file's own names")]
pub struct Proxies {
    /// For http addresses.
    pub http_proxy: Option<String>,
    /// For https addresses.
    pub https_proxy: Option<String>,
    /// Whom to reach without.
    pub no_proxy: Option<String>,
}

impl DaemonJson {
    /// Reads the first file that is there.
    ///
    /// # Errors
    /// It is not JSON of that shape.
    pub fn read() -> Result<Self> {
        first().map_or_else(|| Ok(Self::default()), |(path, json)| parse(&json, &path))
    }
}

/// Where images and containers are kept. What else stands in the file may be wrong: it is nothing to
/// a verb that only looks at what is there.
///
/// # Errors
/// It is no JSON: then nobody knows where they are.
pub fn data_root() -> Result<Option<PathBuf>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Place {
        data_root: Option<PathBuf>,
    }
    match first() {
        Some((path, json)) if path != Path::new(DOCKERS) => {
            parse(&json, &path).map(|place: Place| place.data_root)
        }
        _ => Ok(None),
    }
}

/// The first file that is there. What is somebody else's (sudo keeps HOME) says nothing.
fn first() -> Option<(PathBuf, Vec<u8>)> {
    let own = user_config_dir().map(|dir| dir.join("mini-docker/daemon.json"));
    let mut files = own.into_iter().chain(["/etc/mini-docker/daemon.json".into(), DOCKERS.into()]);
    files.find_map(|path| fs::read(&path).ok().map(|json| (path, json)))
}

fn parse<T: DeserializeOwned>(json: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| unreadable(path, &error.into()))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot read the settings")
        .why(format!("{}: {error}", path.display()))
        .fix("correct the file, or move it away")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/etc/mini-docker/daemon.json";

    #[test]
    fn what_is_not_ours_is_ignored() {
        let json = br#"{"data-root": "/srv", "registry-mirrors": ["http://m:5000"], "dns": ["::1"],
            "log-driver": "json-file", "proxies": {"no-proxy": "*.lan"}}"#;
        let read: DaemonJson = parse(json, Path::new(PATH)).unwrap();
        assert_eq!(read.registry_mirrors, ["http://m:5000"]);
        assert_eq!(read.proxies.no_proxy.as_deref(), Some("*.lan"));
        assert_eq!(read.dns, ["::1".parse::<IpAddr>().unwrap()]);
        parse::<DaemonJson>(b"[", Path::new(PATH)).unwrap_err();
        parse::<DaemonJson>(br#"{"dns": ["a name"]}"#, Path::new(PATH)).unwrap_err();
    }
}
