//! Where a user's own settings are (XDG Base Directory Specification; Docker's `DOCKER_CONFIG`).

use std::path::PathBuf;

/// `~/.docker`
pub fn docker_config_dir() -> PathBuf {
    let named = std::env::var_os("DOCKER_CONFIG").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    // Who has no home has root's, which is right for root and closed to all others.
    named.or_else(|| Some(home()?.join(".docker"))).unwrap_or_else(|| "/root/.docker".into())
}

/// `~/.config`
pub fn user_config_dir() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    named.filter(|dir| dir.is_absolute()).or_else(|| Some(home()?.join(".config")))
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}
