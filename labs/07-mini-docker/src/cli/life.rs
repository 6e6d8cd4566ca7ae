//! The flags of `run` and `create` that are about a container's life, as typed and as meant.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use ground::{Error, Result};
use mini_docker::container::{LogDriver, LogOptions, Restart};
use oci::Healthcheck;

/// Restarts, health, logs, the end.
#[derive(Debug, Args)]
pub struct Life {
    /// Restart policy to apply when the container exits: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<Restart>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    pub init: bool,
    /// Timeout (in seconds) to stop the container
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub stop_timeout: Option<i64>,
    /// Command to run to check health
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub health_interval: Option<Duration>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "N")]
    pub health_retries: Option<u32>,
    /// Maximum time to allow one check to run (ms|s|m|h)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub health_timeout: Option<Duration>,
    /// Start period for the container to initialize before failures count (ms|s|m|h)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub health_start_period: Option<Duration>,
    /// Time between running the check during the start period (ms|s|m|h)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub health_start_interval: Option<Duration>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    pub no_healthcheck: bool,
    /// Logging driver for the container: json-file or none
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Log driver options: max-size=10m, max-file=3, labels=A,B, env=C,D
    #[arg(long, value_name = "NAME=VALUE")]
    pub log_opt: Vec<String>,
}

/// What replaces a part of the image's HEALTHCHECK.
///
/// # Errors
/// `--no-healthcheck` beside another of these flags.
pub fn healthcheck(flags: &Life) -> Result<Option<Healthcheck>> {
    let time = |time: Option<Duration>| {
        time.map(|time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
    };
    let wanted = Healthcheck {
        test: flags.health_cmd.as_ref().map(|command| vec!["CMD-SHELL".into(), command.clone()]),
        interval: time(flags.health_interval),
        timeout: time(flags.health_timeout),
        start_period: time(flags.health_start_period),
        start_interval: time(flags.health_start_interval),
        retries: flags.health_retries.map(i64::from),
    };
    let says_something = wanted != Healthcheck::default();
    match (flags.no_healthcheck, says_something) {
        (true, true) => Err(Error::new("--no-healthcheck conflicts with --health-* options")
            .fix("leave --no-healthcheck out, or all the others")),
        (true, false) => {
            Ok(Some(Healthcheck { test: Some(vec!["NONE".into()]), ..Healthcheck::default() }))
        }
        (false, true) => Ok(Some(wanted)),
        (false, false) => Ok(None),
    }
}

/// Where output is kept.
///
/// # Errors
/// A driver or an option that we do not have.
pub fn log(flags: &Life) -> Result<LogOptions> {
    let driver = match flags.log_driver.as_deref() {
        None | Some("json-file" | "local") => LogDriver::JsonFile,
        Some("none") => LogDriver::None,
        Some(other) => {
            return Err(Error::new(format!(
                "error looking up logging plugin {other}: plugin \"{other}\" not found"
            ))
            .fix("there are json-file, local (the same here) and none"));
        }
    };
    let written: BTreeMap<String, String> = flags
        .log_opt
        .iter()
        .map(|option| option.split_once('=').unwrap_or((option, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut log = LogOptions { driver, ..LogOptions::default() };
    for (name, value) in &written {
        option(&mut log, name, value)?;
    }
    if log.max_files.is_some_and(|files| files > 1) && log.max_size.is_none() {
        return Err(Error::new("invalid --log-opt max-file")
            .why("max-file cannot be larger than 1 without a max-size")
            .fix("give both: --log-opt max-size=10m --log-opt max-file=3"));
    }
    Ok(LogOptions { written, ..log })
}

fn option(log: &mut LogOptions, name: &str, value: &str) -> Result<()> {
    let invalid = |why: &str| {
        let error = Error::new(format!("invalid --log-opt {name}={value}")).why(why);
        Err(error.fix("as in --log-opt max-size=10m --log-opt max-file=3"))
    };
    if log.driver == LogDriver::None {
        return invalid("nothing is kept with --log-driver none");
    }
    match name {
        "max-size" => match value.parse::<cgroups::Bytes>() {
            Ok(size) if size.0 > 0 => log.max_size = Some(size.0),
            _ => return invalid("it is no size"),
        },
        "max-file" => match value.parse() {
            Ok(files @ 1..) => log.max_files = Some(files),
            _ => return invalid("there must be one file at least"),
        },
        // How they are kept is our business; they are accepted so that habits work.
        "labels" | "env" | "compress" | "mode" | "max-buffer-size" => {}
        _ => {
            return Err(Error::new(format!("unknown log opt '{name}' for json-file log driver"))
                .fix("there are max-size, max-file, labels and env"));
        }
    }
    Ok(())
}
