//! Settings: what stands in files and in the environment, read once, here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use mini_docker::{
    engine::Settings,
    layout::{Environment, default_root},
    registry::client::{Credentials, Options},
};
use nix::unistd::geteuid;
use oci::Platform;
use serde::Deserialize;

use super::detach_keys::DetachKeys;

/// What of Docker's daemon.json concerns us.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct DaemonJson {
    data_root: Option<PathBuf>,
    insecure_registries: Vec<String>,
}

/// The root directory: named by a flag, by daemon.json, or the usual one. Absolute.
///
/// # Errors
/// A daemon.json that cannot be read; no home directory.
pub fn root(flag: Option<PathBuf>) -> Result<PathBuf> {
    let root = match flag.or(daemon_json()?.data_root) {
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
    let json = config_dir().and_then(|dir| fs::read(dir.join("config.json")).ok());
    let config: ConfigJson =
        json.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    DetachKeys::parse(flag.or(config.detach_keys.as_deref()))
}

/// Everything else that the engine is told.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn settings(root: PathBuf) -> Result<Settings> {
    let mut registries = Options::anonymous();
    registries.insecure = daemon_json()?.insecure_registries;
    registries.certs_dirs = vec!["/etc/docker/certs.d".into()];
    registries.certs_dirs.extend(config_dir().map(|dir| dir.join("certs.d")));
    registries.proxy = proxy();
    if let Some(path) = config_dir().map(|dir| dir.join("config.json"))
        && let Ok(json) = fs::read(&path)
    {
        registries.credentials = Credentials::parse(&json)?;
    }
    Ok(Settings { root, registries, platform: Platform::host() })
}

/// `~/.docker`
fn config_dir() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

fn proxy() -> Option<String> {
    let value = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].into_iter().find_map(value)
}

/// The user's own file before the machine's.
fn daemon_json() -> Result<DaemonJson> {
    let own = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))
        .map(|config| config.join("mini-docker/daemon.json"));
    let files = own.into_iter().chain(["/etc/mini-docker/daemon.json".into()]);
    match files
        .map(|path| (fs::read(&path), path))
        .find_map(|(json, path)| Some((json.ok()?, path)))
    {
        Some((json, path)) => parse(&json, &path),
        None => Ok(DaemonJson::default()),
    }
}

fn parse(json: &[u8], path: &Path) -> Result<DaemonJson> {
    serde_json::from_slice(json).map_err(|error| {
        Error::new("cannot read the settings")
            .why(format!("{}: {error}", path.display()))
            .fix("correct the file, or move it away")
    })
}
