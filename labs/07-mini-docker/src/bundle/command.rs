//! The command: what ENTRYPOINT and CMD of the image make with what the user typed.
//!
//! ```text
//!                        no ENTRYPOINT      ENTRYPOINT ["e"]     --entrypoint x
//! CMD ["c"], nothing typed     c                 e c                  x
//! CMD ["c"], "a b" typed       a b               e a b                x a b
//! no CMD, nothing typed        an error          e                    x
//! ```
//!
//! CMD is only the default for what is typed, and a new entrypoint makes the old default
//! meaningless.

use ground::{Error, Result};
use oci::{Config, Healthcheck};

use crate::container::Overrides;

/// The image's config with what the user replaced in it.
///
/// # Errors
/// When there is nothing to run.
pub fn effective(image: &Config, overrides: &Overrides) -> Result<Config> {
    let mut config = image.clone();
    if let Some(entrypoint) = &overrides.entrypoint {
        config.entrypoint =
            Some(entrypoint).filter(|word| !word.is_empty()).map(|word| vec![word.clone()]);
        config.cmd = None;
    }
    if !overrides.command.is_empty() {
        config.cmd = Some(overrides.command.clone());
    }
    if words(&config).is_empty() {
        return Err(Error::new("no command specified")
            .why("the image has neither ENTRYPOINT nor CMD, and nothing follows its name")
            .fix("name a program of the image: mini-docker run IMAGE /bin/sh"));
    }
    config.env = Some(merged_env(image.env.as_deref().unwrap_or_default(), &overrides.env));
    if let Some(user) = &overrides.user {
        config.user = Some(user.clone());
    }
    if let Some(dir) = &overrides.working_dir {
        config.working_dir = Some(dir.clone());
    }
    if let Some(signal) = &overrides.stop_signal {
        config.stop_signal = Some(signal.clone());
    }
    if let Some(seconds) = overrides.stop_timeout {
        config.stop_timeout = Some(seconds);
    }
    if let Some(check) = &overrides.healthcheck {
        config.healthcheck = Some(merged_check(config.healthcheck.take(), check));
    }
    if !overrides.labels.is_empty() {
        config.labels.get_or_insert_default().extend(overrides.labels.clone());
    }
    Ok(config)
}

/// The image's HEALTHCHECK with what the user replaced in it.
fn merged_check(image: Option<Healthcheck>, user: &Healthcheck) -> Healthcheck {
    let image = image.unwrap_or_default();
    let user = user.clone();
    Healthcheck {
        test: user.test.or(image.test),
        interval: user.interval.or(image.interval),
        timeout: user.timeout.or(image.timeout),
        start_period: user.start_period.or(image.start_period),
        start_interval: user.start_interval.or(image.start_interval),
        retries: user.retries.or(image.retries),
    }
}

/// The program and its arguments.
pub fn words(config: &Config) -> Vec<String> {
    let part = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    [part(&config.entrypoint), part(&config.cmd)].concat()
}

/// `below` with the entries of `above` added; an entry of the same name is replaced in its place.
pub fn merged_env(below: &[String], above: &[String]) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut merged: Vec<String> = below.to_vec();
    for entry in above {
        match merged.iter_mut().find(|old| name(old) == name(entry)) {
            Some(old) => old.clone_from(entry),
            None => merged.push(entry.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Option<Vec<String>> {
        (text != "-").then(|| text.split_whitespace().map(str::to_owned).collect())
    }

    #[track_caller]
    fn check(entrypoint: &str, cmd: &str, typed: &str, replaced: Option<&str>, expected: &str) {
        let image = Config { entrypoint: list(entrypoint), cmd: list(cmd), ..Config::default() };
        let overrides = Overrides {
            command: list(typed).unwrap_or_default(),
            entrypoint: replaced.map(str::to_owned),
            ..Overrides::default()
        };
        let words = effective(&image, &overrides).map(|config| words(&config).join(" "));
        assert_eq!(words.unwrap_or_else(|error| error.what), expected);
    }

    #[test]
    fn the_whole_table_of_entrypoint_and_cmd() {
        let nothing = "no command specified";
        for (entrypoint, cmd, typed, replaced, expected) in [
            ("-", "-", "-", None, nothing),
            ("-", "c d", "-", None, "c d"),
            ("-", "-", "a b", None, "a b"),
            ("-", "c d", "a b", None, "a b"),
            ("e f", "-", "-", None, "e f"),
            ("e f", "c d", "-", None, "e f c d"),
            ("e f", "-", "a b", None, "e f a b"),
            ("e f", "c d", "a b", None, "e f a b"),
            ("-", "-", "-", Some("x"), "x"),
            ("-", "c d", "-", Some("x"), "x"),
            ("-", "-", "a b", Some("x"), "x a b"),
            ("-", "c d", "a b", Some("x"), "x a b"),
            ("e f", "-", "-", Some("x"), "x"),
            ("e f", "c d", "-", Some("x"), "x"),
            ("e f", "-", "a b", Some("x"), "x a b"),
            ("e f", "c d", "a b", Some("x"), "x a b"),
            ("e f", "c d", "-", Some(""), nothing),
            ("e f", "c d", "a b", Some(""), "a b"),
        ] {
            check(entrypoint, cmd, typed, replaced, expected);
        }
    }

    #[test]
    fn a_later_variable_takes_the_place_of_an_earlier_one() {
        let words = |text: &str| list(text).unwrap();
        assert_eq!(merged_env(&words("A=1 B=2"), &words("B=3 C=4")), words("A=1 B=3 C=4"));
    }
}
