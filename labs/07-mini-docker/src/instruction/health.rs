//! HEALTHCHECK: flags, then how to see that the program is well.

use std::time::Duration;

use ground::Result;
use oci::Healthcheck;

use super::{Command, invalid};

/// Reads what follows the word.
pub fn parse(text: &str) -> Result<Healthcheck> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some((name, value, after)) = flag(rest) {
        set(&mut check, name, value)?;
        rest = after;
    }
    let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    check.test = Some(match word.to_ascii_uppercase().as_str() {
        "NONE" if rest.trim().is_empty() => vec!["NONE".into()],
        "NONE" => return Err(invalid("HEALTHCHECK NONE takes no arguments", rest)),
        "CMD" if !rest.trim().is_empty() => match Command::read(rest.trim()) {
            Command::Exec(words) => ["CMD".into()].into_iter().chain(words).collect(),
            Command::Shell(line) => vec!["CMD-SHELL".into(), line],
        },
        "CMD" => return Err(invalid("Missing command after HEALTHCHECK CMD", "none follows")),
        other => {
            return Err(invalid(
                format!("Unknown type {other:?} in HEALTHCHECK (try CMD)"),
                "it is HEALTHCHECK [--interval=30s ..] CMD command, or HEALTHCHECK NONE",
            ));
        }
    });
    Ok(check)
}

/// `--name=value` at the beginning, and what follows.
fn flag(text: &str) -> Option<(&str, &str, &str)> {
    let flag = text.strip_prefix("--")?;
    let (flag, rest) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
    let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
    Some((name, value, rest.trim_start()))
}

fn set(check: &mut Healthcheck, name: &str, value: &str) -> Result<()> {
    let time = || duration(name, value).map(Some);
    match name {
        "interval" => check.interval = time()?,
        "timeout" => check.timeout = time()?,
        "start-period" => check.start_period = time()?,
        "start-interval" => check.start_interval = time()?,
        "retries" => {
            let retries = value.parse().ok().filter(|retries| *retries >= 1);
            let wrong = || invalid("--retries must be at least 1", format!("not {value:?}"));
            check.retries = Some(retries.ok_or_else(wrong)?);
        }
        _ => return Err(invalid(format!("Unknown flag: {name}"), "in HEALTHCHECK")),
    }
    Ok(())
}

/// Nanoseconds; less than a millisecond is a mistake, and 0 the default.
fn duration(name: &str, value: &str) -> Result<i64> {
    let wrong = |why: &str| invalid(format!("Interval {name:?} is no duration: {value:?}"), why);
    let time = match value {
        "0" => Duration::ZERO,
        value => humantime::parse_duration(value).map_err(|error| wrong(&error.to_string()))?,
    };
    if !time.is_zero() && time < Duration::from_millis(1) {
        return Err(wrong("it cannot be less than 1ms"));
    }
    i64::try_from(time.as_nanos()).map_err(|_| wrong("it is longer than 292 years"))
}
