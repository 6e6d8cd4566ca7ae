//! Output: tables as Docker prints them, and how long ago something was.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ground::{Error, Result};
use mini_docker::sys;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

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

/// Whether nobody reads any more what is printed: whoever goes on printing asks (poll(2)).
pub fn reader_is_gone() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let answered = poll(&mut asked, PollTimeout::ZERO).is_ok_and(|count| count > 0);
    answered && asked[0].revents().is_some_and(|it| it.contains(PollFlags::POLLERR))
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

/// `2026-11-21 11:22:52 +0000 UTC`: a time (RFC 3339) on the clock of this machine.
pub fn stamp(time: &str) -> String {
    let Some(seconds) = seconds(time) else { return time.to_owned() };
    let (offset, zone) = sys::local_time(seconds);
    let there = u64::try_from(seconds + offset).unwrap_or(0);
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(there));
    let text = text.to_string().replace('T', " ").replace('Z', "");
    format!("{text} {} {zone}", offset_text(offset, ""))
}

/// `2026-11-21T11:22:51.762549566Z`, on the clock of this machine: with its offset to UTC.
pub fn precise(nanoseconds: u64) -> String {
    let seconds = nanoseconds / 1_000_000_000;
    let (offset, _) = sys::local_time(i64::try_from(seconds).unwrap_or(0));
    let shift = Duration::from_secs(offset.unsigned_abs());
    let now = Duration::from_nanos(nanoseconds);
    let there = if offset < 0 { now.saturating_sub(shift) } else { now + shift };
    let text = humantime::format_rfc3339_nanos(UNIX_EPOCH + there).to_string();
    match offset {
        0 => text,
        _ => text.replace('Z', &offset_text(offset, ":")),
    }
}

fn offset_text(offset: i64, colon: &str) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

/// Seconds since 1970 of a time (RFC 3339).
fn seconds(time: &str) -> Option<i64> {
    let then = humantime::parse_rfc3339_weak(&whole(time)).ok()?;
    i64::try_from(then.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// A text that is too long ends with a dot-dot-dot of one character.
pub fn cut(text: &str, length: usize) -> String {
    match text.chars().count() <= length {
        true => text.to_owned(),
        false => text.chars().take(length - 1).chain(['…']).collect(),
    }
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

/// `23.54GiB`: powers of 1024 and four digits, as Docker shows memory.
pub fn binary_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    let digits = match value {
        _ if value >= 1000.0 => 0,
        _ if value >= 100.0 => 1,
        _ if value >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
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
    fn memory_is_counted_in_powers_of_two() {
        for (bytes, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (327_680, "320KiB"),
            (67_108_864, "64MiB"),
            (25_275_883_520, "23.54GiB"),
            (1_100_000, "1.049MiB"),
        ] {
            assert_eq!(binary_size(bytes), expected);
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
