//! Settings: what stands in files and in the environment, read once, here.

use std::{fs, path::PathBuf};

use ground::{Error, Result};
use mini_docker::{
    engine::{Dns, Settings},
    layout::{Environment, default_root},
    registry::client::{ConfigFile, Options, Proxies},
};
use nix::unistd::geteuid;
use oci::Platform;
use serde::Deserialize;

use super::{
    daemon_json::{self, DaemonJson},
    detach_keys::DetachKeys,
    home::{docker_config_dir, user_config_dir},
};

/// The root directory: named by a flag, by daemon.json, or the usual one. Absolute. Where the flag
/// names it, daemon.json is not asked.
///
/// # Errors
/// A daemon.json that cannot be read; no home directory.
pub fn root(flag: Option<PathBuf>) -> Result<PathBuf> {
    let root = match flag.map_or_else(daemon_json::data_root, |flag| Ok(Some(flag)))? {
        Some(root) => root,
        None => default_root(Environment {
            effective_uid: geteuid().as_raw(),
            xdg_data_home: std::env::var_os("XDG_DATA_HOME").as_deref(),
            home: std::env::var_os("HOME").as_deref(),
        })?,
    };
    std::path::absolute(&root)
        .map_err(|error| Error::new("cannot find the working directory").io("getcwd", &error))
}

/// What lets go of a container: named by a flag, by config.json, or the usual keys.
///
/// # Errors
/// Something that is no key.
pub fn detach_keys(flag: Option<&str>) -> Result<DetachKeys> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct ConfigJson {
        detach_keys: Option<String>,
    }
    let json = fs::read(docker_config_dir().join("config.json")).ok();
    let config: ConfigJson =
        json.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    DetachKeys::parse(flag.or(config.detach_keys.as_deref()))
}

/// Everything else that the engine is told. A file that is there and cannot be read is an error for
/// whoever needs what stands in it.
pub fn settings(root: PathBuf) -> Settings {
    let daemon = DaemonJson::read();
    let config_file = ConfigFile::new(docker_config_dir().join("config.json"));
    Settings {
        root,
        registries: daemon.clone().and_then(|daemon| registries(daemon, &config_file)),
        config_file,
        platform: Platform::host(),
        dns: daemon.map(|daemon| Dns {
            servers: daemon.dns,
            search: daemon.dns_search,
            options: daemon.dns_opts,
        }),
    }
}

fn registries(daemon: DaemonJson, config_file: &ConfigFile) -> Result<Options> {
    Ok(Options {
        credentials: config_file.credentials_if_readable()?,
        insecure: daemon.insecure_registries,
        mirrors: daemon.registry_mirrors,
        certs_dirs: certs_dirs(),
        proxies: proxies(Proxies {
            http: daemon.proxies.http_proxy,
            https: daemon.proxies.https_proxy,
            none_for: daemon.proxies.no_proxy,
        }),
        ..Options::anonymous()
    })
}

/// Docker's directory, and the one of its rootless form.
fn certs_dirs() -> Vec<PathBuf> {
    let own = user_config_dir().map(|dir| dir.join("docker/certs.d"));
    ["/etc/docker/certs.d".into()].into_iter().chain(own).collect()
}

/// The environment's, where daemon.json names none.
fn proxies(named: Proxies) -> Proxies {
    let value = |name: &str| {
        let names = [name.to_uppercase(), name.to_lowercase()];
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    Proxies {
        http: named.http.or_else(|| value("http_proxy")),
        https: named.https.or_else(|| value("https_proxy")),
        none_for: named.none_for.or_else(|| value("no_proxy")),
    }
}
