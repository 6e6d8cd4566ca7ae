//! Version: three numbers, of which the first says whether we understand each other.
//!
//! Source: runtime specification, config.md, "Specification version"; Semantic Versioning 2.0.0.

use std::str::FromStr;

use crate::Invalid;

/// A version of the specification, as `1.3.0` or `1.0.0-rc5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Another one is another language.
    pub major: u32,
    /// A later one has fields that we do not know.
    pub minor: u32,
    /// Corrections.
    pub patch: u32,
}

impl FromStr for Version {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid =
            || Invalid::new("invalid version", format!("\"{text}\" is not written as 1.3.0 is"));
        // What follows the numbers: `+build` may be anything, `-before` a list of words.
        let (rest, build) = text.split_once('+').map_or((text, None), |(a, b)| (a, Some(b)));
        let (numbers, before) = rest.split_once('-').map_or((rest, None), |(a, b)| (a, Some(b)));
        if [before, build].iter().flatten().any(|words| !words.split('.').all(is_word)) {
            return Err(invalid());
        }
        let parts: Option<Vec<u32>> = numbers.split('.').map(number).collect();
        match parts.as_deref() {
            Some([major, minor, patch]) => Ok(Self { major: *major, minor: *minor, patch: *patch }),
            _ => Err(invalid()),
        }
    }
}

/// Digits without a leading zero.
fn number(text: &str) -> Option<u32> {
    let plain =
        text.bytes().all(|it| it.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        let parse =
            |text: &str| text.parse::<Version>().ok().map(|it| (it.major, it.minor, it.patch));
        assert_eq!(parse("1.3.0"), Some((1, 3, 0)));
        assert_eq!(parse("1.0.2-dev"), Some((1, 0, 2)));
        assert_eq!(parse("1.0.0-rc5+a.b"), Some((1, 0, 0)));
        for text in [
            "", "1", "1.0", "1.0.0.0", "v1.0.0", "1.x.0", "01.0.0", "1.0.0-", "1.0.0+", " 1.0.0",
            "1..0", "1.0.-1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
