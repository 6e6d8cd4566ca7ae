//! Moment: a point in time, in the words in which people give one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time (RFC 3339, or a day alone, UTC), seconds since 1970, or how long ago it was: `10m`. A
/// duration that begins with a minus is in the future, as in Docker. `None` for anything else.
///
/// Source: docs.docker.com, `docker events`, "Limiting, filtering, and formatting the output".
pub fn moment(text: &str) -> Option<SystemTime> {
    let now = SystemTime::now();
    if let Some(later) = text.strip_prefix('-').and_then(|it| humantime::parse_duration(it).ok()) {
        return Some(now.checked_add(later).unwrap_or(now));
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return Some(now.checked_sub(ago).unwrap_or(UNIX_EPOCH));
    }
    if let Ok(seconds) = text.parse()
        && let Ok(passed) = Duration::try_from_secs_f64(seconds)
    {
        return Some(UNIX_EPOCH.checked_add(passed).unwrap_or(now));
    }
    let day = format!("{text}T00:00:00");
    [text, &day].into_iter().find_map(|it| humantime::parse_rfc3339_weak(it).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_can_be_said_in_many_ways() {
        let check = |text, nanos| {
            assert_eq!(moment(text), Some(UNIX_EPOCH + Duration::from_nanos(nanos)), "{text}");
        };
        check("1.5", 1_500_000_000);
        check("1970-01-01T00:00:02Z", 2_000_000_000);
        check("1970-01-02", 86_400_000_000_000);
        assert!(moment("10m").unwrap() < moment("-10m").unwrap());
        assert_eq!(moment("wrong"), None);
    }
}
