//! Reports: errors and warnings, for people on standard error and for engines in a log file.
//!
//! Engines (containerd, Docker, Podman) read the last line of level "error" in the log file and
//! show its `msg`; the other fields are for programs that can do more with them.
#![allow(clippy::print_stderr, reason = "this is where the program talks to its user")]

use std::{
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use ground::Error;
use serde_json::json;

use super::args::{Global, LogFormat};

/// The exit status of a command that did what it was asked for.
pub(super) const SUCCESS: u8 = 0;

/// Where reports go.
#[derive(Debug)]
pub(super) struct Log {
    file: Option<PathBuf>,
    format: LogFormat,
}

impl Log {
    pub(super) fn new(global: &Global) -> Self {
        Self { file: global.log.clone(), format: global.log_format }
    }

    /// Reports what ended the program.
    pub(super) fn error(&self, error: &Error) {
        let line = || {
            let msg = match &error.why {
                Some(why) => format!("{}: {why}", error.what),
                None => error.what.clone(),
            };
            let Error { what, why, see, fix, .. } = error;
            json!({
                "level": "error", "msg": msg, "time": now(),
                "what": what, "why": why, "see": see, "fix": fix,
            })
        };
        self.write(&format!("error: {error}"), || line().to_string());
    }

    /// Says something that did not end it.
    pub(super) fn warn(&self, text: &str) {
        let line = || json!({ "level": "warning", "msg": text, "time": now() }).to_string();
        if self.file.is_none() {
            self.write(&format!("warning: {text}"), line);
        } else {
            // With a log, standard error belongs to the container's program alone.
            self.append(&format!("warning: {text}"), line);
        }
    }

    fn write(&self, text: &str, json: impl Fn() -> String) {
        if self.file.is_none() {
            eprintln!("{}", self.line(text, json));
        } else {
            // People see it as well; a log that cannot be written must not hide the error.
            eprintln!("{text}");
            self.append(text, json);
        }
    }

    fn append(&self, text: &str, json: impl Fn() -> String) {
        let line = self.line(text, json) + "\n";
        if let Some(path) = &self.file {
            let log = OpenOptions::new().create(true).append(true).open(path);
            let _ = log.and_then(|mut log| log.write_all(line.as_bytes()));
        }
    }

    fn line(&self, text: &str, json: impl Fn() -> String) -> String {
        match self.format {
            LogFormat::Text => text.to_owned(),
            LogFormat::Json => json(),
        }
    }
}

/// The time in UTC, as RFC 3339 has it.
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    rfc3339(now)
}

/// Seconds since 1970 as `2026-11-21T05:22:57Z`.
///
/// Days are counted from 1 March, so that the day that comes every four years is the last one
/// (Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
pub(super) fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn seconds_become_a_date() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_238_577), "2026-11-21T05:22:57Z");
    }
}
