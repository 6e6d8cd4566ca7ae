//! Values: what stands after an option, read.

use std::time::Duration;

/// `500ms`, `5s`, `1m30s`: a time as Go writes it; a bare number is seconds.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no time longer than 0: 500ms, 5s and 1m30s are");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
        let number: u32 = rest[..digits].parse().map_err(|_| refused())?;
        let end = rest[digits..].find(|it: char| it.is_ascii_digit());
        let (unit, after) = rest[digits..].split_at(end.unwrap_or(rest.len() - digits));
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" | "" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(refused()),
        };
        total += unit * number;
        rest = after;
    }
    if total.is_zero() { Err(refused()) } else { Ok(total) }
}

/// `64m` in bytes; -1 is unlimited.
pub(super) fn size(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let bytes: cgroups::Bytes =
        text.parse().map_err(|error: ground::Error| error.why.unwrap_or(error.what))?;
    i64::try_from(bytes.0).map_err(|_| format!("{text} is more than a limit can be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_go_writes_it() {
        let ms = |text| interval(text).map(|it| it.as_millis()).ok();
        assert_eq!(
            (ms("500ms"), ms("5s"), ms("1m30s"), ms("2")),
            (Some(500), Some(5000), Some(90_000), Some(2000))
        );
        for text in ["", "0s", "s", "5x", "-1s"] {
            assert_eq!(ms(text), None, "{text}");
        }
    }
}
