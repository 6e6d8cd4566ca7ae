//! Output: tables as Docker prints them, and how long ago something was.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use ground::{Error, Result};

/// Between two columns.
const GAP: usize = 3;

/// Prints one line. A reader that went away ends the program as it does any other's.
///
/// # Errors
/// As write(2).
pub fn line(text: impl AsRef<str>) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{}", text.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::new("cannot print").io("write", &error)),
        Ok(()) => Ok(()),
    }
}

/// Prints rows under their headings, each column as wide as its widest cell.
///
/// # Errors
/// As write(2).
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let print = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(padded.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end())
    };
    print(&headings.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    rows.iter().try_for_each(|row| print(row))
}

/// `3 minutes ago`
pub fn ago(time: &str) -> String {
    match since(time) {
        Some(duration) => format!("{} ago", in_words(duration)),
        None => "N/A".into(),
    }
}

/// How long it is since a time (RFC 3339).
pub fn since(time: &str) -> Option<Duration> {
    let then = humantime::parse_rfc3339_weak(&whole(time)).ok()?;
    SystemTime::now().duration_since(then).ok().or(Some(Duration::ZERO))
}

/// The parser knows UTC only; other tools write offsets, and here seconds are enough.
fn whole(time: &str) -> String {
    let end = time.find(['.', 'Z', '+']).unwrap_or(time.len());
    format!("{}Z", &time[..end])
}

/// Docker's words for a duration: coarse, as a person would say it.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".into(),
        1 => "1 second".into(),
        _ if seconds < 60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".into(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// `4.83MB`: powers of 1000 and three digits, as Docker shows sizes.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB"].iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        // What would be rounded to 1000 belongs to the next unit.
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    let digits = match value {
        _ if value >= 99.95 || unit == "B" => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, expected) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (4_830_000, "4.83MB"),
            (77_800_000, "77.8MB"),
            (123_400_000, "123MB"),
            (999_900, "1MB"),
            (2_500_000_000, "2.5GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn durations_are_said_as_docker_says_them() {
        for (seconds, expected) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (180, "3 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (3 * 86400, "3 days"),
            (21 * 86400, "3 weeks"),
            (90 * 86400, "3 months"),
            (800 * 86400, "2 years"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), expected);
        }
    }
}
