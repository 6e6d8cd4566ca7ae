//! `.Config`: what an image says of its program, with what the user replaced in it.

use std::collections::BTreeMap;

use oci::{Config, Empty, Healthcheck};
use serde::Serialize;
use template::{Nanoseconds, OmitEmpty};

use crate::container::{Network, Record};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConfigDocument {
    hostname: String,
    domainname: String,
    user: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposed_ports: Option<BTreeMap<String, Empty>>,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<HealthcheckDocument>,
    image: String,
    volumes: Option<BTreeMap<String, Empty>>,
    working_dir: String,
    entrypoint: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shell: Option<Vec<String>>,
}

/// `.Config.Healthcheck`: its times are durations, for which a template has words.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthcheckDocument {
    test: OmitEmpty<Vec<String>>,
    interval: OmitEmpty<Nanoseconds>,
    timeout: OmitEmpty<Nanoseconds>,
    start_period: OmitEmpty<Nanoseconds>,
    start_interval: OmitEmpty<Nanoseconds>,
    retries: OmitEmpty<i64>,
}

fn healthcheck(check: &Healthcheck) -> HealthcheckDocument {
    let time = |it: Option<i64>| OmitEmpty(Nanoseconds(it.unwrap_or_default()));
    HealthcheckDocument {
        test: OmitEmpty(check.test.clone().unwrap_or_default()),
        interval: time(check.interval),
        timeout: time(check.timeout),
        start_period: time(check.start_period),
        start_interval: time(check.start_interval),
        retries: OmitEmpty(check.retries.unwrap_or_default()),
    }
}

/// Of an image.
pub(super) fn of_image(config: &Config) -> ConfigDocument {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    ConfigDocument {
        hostname: String::new(),
        domainname: String::new(),
        user: text(&config.user),
        attach_stdin: false,
        attach_stdout: false,
        attach_stderr: false,
        exposed_ports: config.exposed_ports.clone().filter(|ports| !ports.is_empty()),
        tty: false,
        open_stdin: false,
        stdin_once: false,
        env: config.env.clone(),
        cmd: config.cmd.clone(),
        healthcheck: config.healthcheck.as_ref().map(healthcheck),
        image: String::new(),
        volumes: config.volumes.clone(),
        working_dir: text(&config.working_dir),
        entrypoint: config.entrypoint.clone(),
        on_build: config.on_build.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone(),
        stop_timeout: config.stop_timeout,
        shell: config.shell.clone(),
    }
}

/// Of a container: with its name, its terminal and its image.
pub(super) fn of_container(record: &Record) -> ConfigDocument {
    let options = &record.options;
    let own_name = !matches!(options.network, Network::Host | Network::Container(_));
    let hostname = options.hostname.clone().or(own_name.then(|| record.short_id().to_owned()));
    ConfigDocument {
        hostname: hostname.unwrap_or_default(),
        domainname: options.domainname.clone().unwrap_or_default(),
        tty: options.tty,
        open_stdin: options.interactive,
        stdin_once: options.stdin_once,
        image: record.image.name.clone(),
        labels: Some(record.config.labels.clone().unwrap_or_default()),
        ..of_image(&record.config)
    }
}
