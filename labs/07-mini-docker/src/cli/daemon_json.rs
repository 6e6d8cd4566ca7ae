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
use serde::Deserialize;

use super::settings::user_config_dir;

const DOCKERS: &str = "/etc/docker/daemon.json";

/// What of daemon.json concerns us.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct DaemonJson {
    /// Where images and containers are kept.
    pub data_root: Option<PathBuf>,
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
#[derive(Debug, Default, Deserialize)]
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
        let own = user_config_dir().map(|dir| dir.join("mini-docker/daemon.json"));
        let files = own.into_iter().chain(["/etc/mini-docker/daemon.json".into(), DOCKERS.into()]);
        for path in files {
            // What is not there, or somebody else's (sudo keeps HOME), says nothing.
            if let Ok(json) = fs::read(&path) {
                return parse(&json, &path);
            }
        }
        Ok(Self::default())
    }
}

fn parse(json: &[u8], path: &Path) -> Result<DaemonJson> {
    let read: DaemonJson =
        serde_json::from_slice(json).map_err(|error| unreadable(path, &error.into()))?;
    let data_root = read.data_root.filter(|_| path != Path::new(DOCKERS));
    Ok(DaemonJson { data_root, ..read })
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot read the settings")
        .why(format!("{}: {error}", path.display()))
        .fix("correct the file, or move it away")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_file_does_not_say_where_our_images_are() {
        let json = br#"{"data-root": "/srv", "registry-mirrors": ["http://m:5000"], "dns": ["::1"],
            "log-driver": "json-file", "proxies": {"no-proxy": "*.lan"}}"#;
        let ours = parse(json, Path::new("/etc/mini-docker/daemon.json")).unwrap();
        assert_eq!(ours.data_root, Some("/srv".into()));
        let dockers = parse(json, Path::new(DOCKERS)).unwrap();
        assert_eq!(dockers.data_root, None);
        assert_eq!(dockers.registry_mirrors, ["http://m:5000"]);
        assert_eq!(dockers.proxies.no_proxy.as_deref(), Some("*.lan"));
        assert_eq!(dockers.dns, ["::1".parse::<IpAddr>().unwrap()]);
        parse(b"[", Path::new(DOCKERS)).unwrap_err();
        parse(br#"{"dns": ["a name"]}"#, Path::new(DOCKERS)).unwrap_err();
    }
}
