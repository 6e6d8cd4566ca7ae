//! Pressure stall information: the time in which work waited for something the group wants more of.
//!
//! Source: the kernel's accounting/psi.rst.

/// The time that tasks of a group lost for want of one resource.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    /// While at least one task waited.
    pub some: Option<Stalled>,
    /// While every task waited.
    pub full: Option<Stalled>,
}

/// Shares of wall-clock time in percent, as running averages; and their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stalled {
    /// Over 10 seconds.
    pub avg10: f64,
    /// Over a minute.
    pub avg60: f64,
    /// Over five minutes.
    pub avg300: f64,
    /// Since the group was made, in microseconds.
    pub total_us: u64,
}

impl Pressure {
    /// From lines of "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
    pub(super) fn parse(text: &str) -> Self {
        let line = |name| {
            let line = text.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '))?;
            let field = |name| line.split(' ').find_map(|it: &str| it.strip_prefix(name));
            Some(Stalled {
                avg10: field("avg10=")?.parse().ok()?,
                avg60: field("avg60=")?.parse().ok()?,
                avg300: field("avg300=")?.parse().ok()?,
                total_us: field("total=")?.parse().ok()?,
            })
        };
        Self { some: line("some"), full: line("full") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_missing_is_none() {
        let text = "some avg10=1.50 avg60=0.20 avg300=0.00 total=4711\n";
        let some = Stalled { avg10: 1.5, avg60: 0.2, avg300: 0.0, total_us: 4711 };
        assert_eq!(Pressure::parse(text), Pressure { some: Some(some), full: None });
    }
}
