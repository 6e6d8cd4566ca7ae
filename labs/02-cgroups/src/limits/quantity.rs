//! Quantities as people type them: `64m` of memory, `0.2` CPUs, `0-3,7`.

use std::{fmt, str::FromStr};

use ground::Error;

use crate::Version;

/// A limit that may be absent: `max` in v2, `-1` in v1 and in the OCI runtime specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// So much, in the unit of the limit.
    At(u64),
    /// No limit.
    Unlimited,
}

impl Bound {
    /// What the kernel of that version wants to be written.
    pub fn written(self, version: Version) -> String {
        match (self, version) {
            (Self::At(value), _) => value.to_string(),
            (Self::Unlimited, Version::V1) => "-1".to_owned(),
            (Self::Unlimited, Version::V2) => "max".to_owned(),
        }
    }

    /// The number, unless there is no limit.
    pub fn value(self) -> Option<u64> {
        match self {
            Self::At(value) => Some(value),
            Self::Unlimited => None,
        }
    }
}

/// As in the runtime specification: any negative number is "no limit".
impl From<i64> for Bound {
    fn from(value: i64) -> Self {
        u64::try_from(value).map_or(Self::Unlimited, Self::At)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(Version::V2))
    }
}

impl FromStr for Bound {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "max" | "-1" => Ok(Self::Unlimited),
            _ => text.parse().map(Self::At).map_err(|_| {
                Error::new(format!("'{text}' is not a limit"))
                    .fix("write a whole number, or 'max' for no limit")
            }),
        }
    }
}

/// An amount of memory in bytes, typed as Docker's: `64m`, `1.5g`, `512kb`; the units are powers
/// of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let lower = text.to_ascii_lowercase();
        let number = lower.trim_end_matches(|it: char| it.is_ascii_alphabetic());
        let shift = match lower[number.len()..].trim_end_matches("ib").trim_end_matches('b') {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => return Err(not_bytes(text)),
        };
        let unit = 1_u64 << shift;
        // Whole numbers stay exact; only a fraction goes through floating point.
        let bytes = match number.parse::<u64>() {
            Ok(whole) => whole.checked_mul(unit),
            Err(_) => fraction(number).map(|it| (it * unit as f64) as u64),
        };
        // The kernel counts in signed numbers: more would mean something else.
        let sane = bytes.filter(|it| i64::try_from(*it).is_ok());
        sane.map(Self).ok_or_else(|| not_bytes(text))
    }
}

fn not_bytes(text: &str) -> Error {
    Error::new(format!("'{text}' is not an amount of memory"))
        .fix("write a number with an optional unit b, k, m, g or t: 64m, 1.5g")
}

/// A memory limit as people type it: [`Bytes`], and not 0, which would kill the command at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimit(pub u64);

impl FromStr for MemoryLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.parse()? {
            Bytes(0) => Err(Error::new("cannot limit memory to nothing")
                .why("in 0 bytes not even the command itself can be loaded")
                .fix("give what it needs, as 64m; or leave the limit out")),
            Bytes(bytes) => Ok(Self(bytes)),
        }
    }
}

/// A number of tasks as people type it: at least 1, at most what the kernel counts to, or -1 for no
/// limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tasks(pub Bound);

impl Tasks {
    /// The kernel's own ceiling on a 64-bit machine, PID_MAX_LIMIT (man 5 proc_sys_kernel).
    const MOST: u64 = 4_194_304;
}

impl FromStr for Tasks {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.parse()? {
            Bound::At(0) => Err(Error::new("cannot limit the tasks to none")
                .why("the command itself is one")
                .fix("give at least 1; or -1 for no limit")),
            Bound::At(tasks) if tasks > Self::MOST => {
                Err(Error::new(format!("cannot limit the tasks to {tasks}"))
                    .why(format!("the kernel has at most {} of them", Self::MOST))
                    .fix("give a smaller number; or -1 for no limit"))
            }
            bound => Ok(Self(bound)),
        }
    }
}

/// A decimal fraction; not the `inf`, `nan` and `1e9` that f64 would take too.
fn fraction(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    text.parse().ok().filter(|_| plain)
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("G", 30), ("M", 20), ("K", 10)];
        match units.into_iter().find(|(_, shift)| self.0 >> shift > 0) {
            Some((unit, shift)) => {
                let amount = self.0 as f64 / (1_u64 << shift) as f64;
                write!(f, "{}{unit}", (amount * 10.0).round() / 10.0)
            }
            None => write!(f, "{}B", self.0),
        }
    }
}

/// A number of CPUs, as in `docker run --cpus 0.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpus {
    millionths: u64,
}

impl Cpus {
    /// The period that Docker and the kernel use by default, in microseconds.
    pub const PERIOD_US: u64 = 100_000;

    /// The quota for the default period, in microseconds.
    pub fn quota_us(self) -> u64 {
        self.millionths * Self::PERIOD_US / 1_000_000
    }
}

impl FromStr for Cpus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let cpus = fraction(text).filter(|it| *it < 1e6);
        let millionths = cpus.map(|it| (it * 1e6).round() as u64).filter(|it| *it > 0);
        millionths.map(|millionths| Self { millionths }).ok_or_else(|| {
            Error::new(format!("'{text}' is not a number of CPUs"))
                .fix("write a number above 0: 0.2 is a fifth of one CPU, 1.5 is one and a half")
        })
    }
}

/// A list of CPUs or memory nodes as cpuset writes it: `0-3,7` (man 7 cpuset, "List format").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuList(pub Vec<usize>);

impl FromStr for CpuList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            // The kernel's own ceiling is 8192; more is a slip of the finger.
            (first <= last && last < 8192).then_some(first..=last)
        };
        let text = text.trim();
        if text.chars().all(|it| it == ',') {
            return Err(Error::new("there is no CPU in an empty list")
                .fix("write numbers and ranges: 0, or 0-3; or leave the list out"));
        }
        let ranges: Option<Vec<_>> =
            text.split(',').filter(|it| !it.is_empty()).map(range).collect();
        let mut cpus: Vec<usize> = ranges
            .ok_or_else(|| {
                Error::new(format!("'{text}' is not a list of CPUs"))
                    .fix("write numbers and ranges: 0, or 0-3, or 0,2-3")
            })?
            .into_iter()
            .flatten()
            .collect();
        cpus.sort_unstable();
        cpus.dedup();
        Ok(Self(cpus))
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.chunk_by(|before, next| before + 1 == *next).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match range {
                [one] => write!(f, "{comma}{one}")?,
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                [] => {}
            }
        }
        Ok(())
    }
}
