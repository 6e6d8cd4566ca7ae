//! A duration as Go prints it: `1h0m5s`, `1.5s`, `300ms`, `0s`.

/// The units below a second, the largest first, in nanoseconds.
const SMALL: [(&str, u64); 3] = [("ms", 1_000_000), ("µs", 1_000), ("ns", 1)];
const SECOND: u64 = 1_000_000_000;

/// The words of `time.Duration.String`: no unit that is not needed, no zero at the end of a fraction.
pub fn in_words(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    let small = SMALL.iter().find(|(_, unit)| size >= *unit);
    match small {
        None => "0s".to_owned(),
        Some((name, unit)) if size < SECOND => format!("{sign}{}{name}", fraction(size, *unit)),
        Some(_) => {
            let (minutes, rest) = (size / (60 * SECOND), size % (60 * SECOND));
            let seconds = fraction(rest, SECOND);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `1.5`: how many of `unit` there are.
fn fraction(size: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    match size % unit {
        0 => (size / unit).to_string(),
        rest => {
            let rest = format!("{rest:0digits$}");
            format!("{}.{}", size / unit, rest.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        let check = |nanoseconds, expected: &str| assert_eq!(in_words(nanoseconds), expected);
        check(0, "0s");
        check(1, "1ns");
        check(1_100, "1.1µs");
        check(2_200_000, "2.2ms");
        check(3_300_000_000, "3.3s");
        check(5_000_000_000, "5s");
        check(245_000_000_000, "4m5s");
        check(245_001_000_000, "4m5.001s");
        check(18_367_001_000_000, "5h6m7.001s");
        check(3_600_000_000_000, "1h0m0s");
        check(480_000_000_001, "8m0.000000001s");
        check(-90_000_000_000, "-1m30s");
        check(i64::MAX, "2562047h47m16.854775807s");
        check(i64::MIN, "-2562047h47m16.854775808s");
    }
}
