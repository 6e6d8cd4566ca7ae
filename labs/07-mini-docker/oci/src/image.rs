//! Image config: how an image wants to be run, and which layers it is made of.
//!
//! The config is the one blob that both halves of an image meet in: `rootfs.diff_ids` names the
//! uncompressed layers in order, `config` holds what a Dockerfile said (ENTRYPOINT, ENV, USER).
//! Its digest is the image ID. Docker writes more fields than the specification has; they are kept
//! as they are, so that a commit on top of Docker's image loses nothing.
//!
//! Source: image specification, config.md; Docker's "Image Specification v1.3".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, Platform, serde_null};

/// The image config.
///
/// Source: image specification, config.md, "Properties".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Where it runs.
    #[serde(flatten)]
    pub platform: Platform,
    /// How to run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,
    /// The layers, by the digest of their uncompressed archives.
    pub rootfs: RootFs,
    /// How each layer came about, the oldest first.
    #[serde(default, deserialize_with = "serde_null::as_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// What Docker adds (`container_config`, `docker_version`, `moby.buildkit.*`), kept as it is.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl ImageConfig {
    /// An image without layers for `platform`.
    pub fn new(platform: &Platform) -> Self {
        Self {
            created: None,
            author: None,
            platform: platform.clone(),
            config: None,
            rootfs: RootFs { kind: "layers".into(), diff_ids: Vec::new() },
            history: Vec::new(),
            extra: BTreeMap::new(),
        }
    }

    /// Whether it is made for such a machine, whatever the generation of its processor.
    pub fn is_for(&self, platform: &Platform) -> bool {
        let built = &self.platform;
        built.os == platform.os && built.architecture == platform.architecture
    }
}

/// The layers of an image.
///
/// Source: image specification, config.md, "rootfs".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the uncompressed tar archives, the lowest first.
    #[serde(default, deserialize_with = "serde_null::as_empty")]
    pub diff_ids: Vec<Digest>,
}

/// How one layer, or a change without layer, came about.
///
/// Source: image specification, config.md, "history".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The command, as `RUN /bin/sh -c ..`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether this step changed no file and so has no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// How to run an image: the defaults that `docker run` starts from.
///
/// Source: image specification, config.md, "config"; the last four are Docker's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// `user`, `uid`, `user:group` or `uid:gid`; names are looked up in the image's /etc/passwd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The ports that the program listens on, `80/tcp`: only a note, nothing is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// The environment, `NAME=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The program and its fixed arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The arguments that `docker run IMAGE ARG..` replaces; the whole command without entrypoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The directories that get a volume of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Where the program starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Free notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// What `docker stop` sends first: `SIGQUIT`, or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How to see that the program is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What runs the shell form of RUN, CMD and ENTRYPOINT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Instructions for whoever builds on this image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// Seconds between the stop signal and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// What else Docker writes (`Hostname`, `Tty`, `ArgsEscaped`), kept as it is.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// `{}`: the value in Go's `map[string]struct{}`, with which Docker writes a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// How to see that the program is well.
///
/// Source: Docker's "Image Specification v1.3", `Healthcheck`. The times are in nanoseconds, as Go
/// counts them; 0 means the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", arg..]` or `["CMD-SHELL", command]`; empty to inherit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    /// Nanoseconds from one check to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Nanoseconds until a check counts as failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Nanoseconds in which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Nanoseconds between checks in the start period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    /// Failures in a row until the container counts as unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Docker 20 wrote it: `null` lists, fields of its own inside and out.
    const DOCKER: &str = r#"{
        "architecture": "amd64", "os": "linux", "created": "2024-05-22T18:18:12Z",
        "config": {
            "Hostname": "", "Tty": false, "User": "", "Env": ["PATH=/bin"], "Cmd": ["/bin/sh"],
            "ExposedPorts": {"80/tcp": {}}, "Volumes": null, "WorkingDir": "", "Entrypoint": null,
            "OnBuild": null, "Labels": null, "StopSignal": "SIGQUIT",
            "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5000000000}
        },
        "container": "6d0f", "docker_version": "20.10.23", "container_config": {"Cmd": ["x"]},
        "history": [{"created_by": "ADD file", "empty_layer": true}],
        "rootfs": {"type": "layers", "diff_ids": null}
    }"#;

    #[test]
    fn what_docker_wrote_survives_a_round_trip() {
        let image: ImageConfig = serde_json::from_str(DOCKER).unwrap();
        let again: ImageConfig =
            serde_json::from_str(&serde_json::to_string(&image).unwrap()).unwrap();
        assert_eq!(image, again);
        assert_eq!(again.extra["docker_version"], "20.10.23");
        let config = again.config.unwrap();
        assert_eq!(config.extra["Hostname"], "");
        assert_eq!(config.cmd, Some(vec!["/bin/sh".to_owned()]));
        assert_eq!(config.volumes, None);
        assert!(config.exposed_ports.unwrap().contains_key("80/tcp"));
        assert_eq!(config.healthcheck.unwrap().interval, Some(5_000_000_000));
    }

    /// To the letter: an image's ID is the digest of what is written.
    #[test]
    fn the_platform_is_read_and_written_where_it_stands() {
        let json = r#"{"architecture":"arm","os":"windows","os.version":"10.0","os.features":["win32k"],"variant":"v7","rootfs":{"type":"layers","diff_ids":[]},"other":1}"#;
        let image: ImageConfig = serde_json::from_str(json).unwrap();
        assert_eq!(image.platform.variant.as_deref(), Some("v7"));
        assert_eq!(serde_json::to_string(&image).unwrap(), json);
    }

    #[test]
    fn nothing_is_written_that_was_not_said() {
        let image = ImageConfig::new(&Platform::new("linux", "amd64", None));
        let json = serde_json::to_string(&image).unwrap();
        let expected =
            r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        assert_eq!(json, expected);
    }
}
