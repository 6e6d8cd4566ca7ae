//! Health: what the checks of a container have found, and what follows from it.
//!
//! A check is a program that is executed in the container now and then. Status 0 makes the container
//! healthy; `retries` failures in a row make it unhealthy. In the start period a failure does not
//! count, until a first check went well.
//!
//! Source: Dockerfile reference, HEALTHCHECK; moby, `daemon/health.go`.

use std::time::Duration;

use oci::Healthcheck;
use serde::{Deserialize, Serialize};

/// How many results are remembered.
const REMEMBERED: usize = 5;

/// What is thought of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nobody knows yet.
    Starting,
    /// The last check went well.
    Healthy,
    /// Too many checks in a row failed.
    Unhealthy,
}

impl Verdict {
    /// The word that Docker shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Probe {
    /// When it began (RFC 3339).
    pub start: String,
    /// When it ended.
    pub end: String,
    /// What the program returned; -1 when it took too long or could not be run.
    pub exit_code: i32,
    /// What it wrote, the first 4096 bytes.
    pub output: String,
}

/// The health of a container, as Docker shows it in `State.Health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// What is thought of it.
    pub status: Verdict,
    /// How many checks in a row have failed.
    pub failing_streak: u32,
    /// The last results, the oldest first.
    pub log: Vec<Probe>,
}

impl Health {
    /// Nothing is known: the program has just begun.
    pub fn starting() -> Self {
        Self { status: Verdict::Starting, failing_streak: 0, log: Vec::new() }
    }

    /// Takes a result in, `age` after the start. Returns the new verdict where it is another.
    pub fn learn(&mut self, probe: Probe, plan: &Plan, age: Duration) -> Option<Verdict> {
        let before = self.status;
        if probe.exit_code == 0 {
            self.failing_streak = 0;
            self.status = Verdict::Healthy;
        } else if before != Verdict::Starting || age >= plan.start_period {
            self.failing_streak += 1;
            if self.failing_streak >= plan.retries {
                self.status = Verdict::Unhealthy;
            }
        }
        self.log.push(probe);
        if self.log.len() > REMEMBERED {
            self.log.remove(0);
        }
        (self.status != before).then_some(self.status)
    }
}

/// A HEALTHCHECK, with Docker's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// From one check to the next.
    pub interval: Duration,
    /// Until a check counts as failed.
    pub timeout: Duration,
    /// How long failures do not count.
    pub start_period: Duration,
    /// From one check to the next in the start period.
    pub start_interval: Duration,
    /// Failures in a row that make the container unhealthy.
    pub retries: u32,
}

impl Plan {
    /// The plan of a config; `None` when there is nothing to check. `shell` is the image's SHELL.
    pub fn of(check: Option<&Healthcheck>, shell: Option<&[String]>) -> Option<Self> {
        let check = check?;
        let (kind, words) = check.test.as_deref()?.split_first()?;
        let command = match kind.as_str() {
            "CMD" if !words.is_empty() => words.to_vec(),
            "CMD-SHELL" => {
                let default = ["/bin/sh".to_owned(), "-c".to_owned()];
                let shell = shell.filter(|shell| !shell.is_empty()).unwrap_or(&default);
                [shell, &[words.join(" ")]].concat()
            }
            _ => return None,
        };
        let time = |nanoseconds: Option<i64>, default: Duration| match nanoseconds {
            Some(time @ 1..) => Duration::from_nanos(time.unsigned_abs()),
            _ => default,
        };
        let half_a_minute = Duration::from_secs(30);
        Some(Self {
            command,
            interval: time(check.interval, half_a_minute),
            timeout: time(check.timeout, half_a_minute),
            start_period: time(check.start_period, Duration::ZERO),
            start_interval: time(check.start_interval, Duration::from_secs(5)),
            retries: check
                .retries
                .and_then(|it| u32::try_from(it).ok())
                .filter(|it| *it > 0)
                .unwrap_or(3),
        })
    }

    /// How long until the next check, `age` after the start.
    pub fn next(&self, verdict: Verdict, age: Duration) -> Duration {
        match verdict == Verdict::Starting && age < self.start_period {
            true => self.start_interval,
            false => self.interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let test = Some(vec!["CMD-SHELL".into(), "test -e /up".into()]);
        let start_period = Some(10_000_000_000);
        let check = Healthcheck { test, start_period, retries: Some(2), ..Healthcheck::default() };
        Plan::of(Some(&check), None).unwrap()
    }

    /// Results of checks, seconds after the start, and the verdicts after each.
    #[track_caller]
    fn check(results: &[(i32, u64)], expected: &[Verdict]) {
        let mut health = Health::starting();
        let verdicts: Vec<Verdict> = results
            .iter()
            .map(|&(exit_code, age)| {
                let time = String::new();
                let probe =
                    Probe { start: time.clone(), end: time, exit_code, output: String::new() };
                health.learn(probe, &plan(), Duration::from_secs(age));
                health.status
            })
            .collect();
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn failures_count_after_the_start_period_or_the_first_success() {
        use Verdict::{Healthy, Starting, Unhealthy};
        check(&[(1, 1), (1, 2), (1, 3)], &[Starting, Starting, Starting]);
        check(&[(1, 9), (1, 11), (1, 12)], &[Starting, Starting, Unhealthy]);
        check(&[(0, 1), (1, 2), (1, 3), (0, 4)], &[Healthy, Healthy, Unhealthy, Healthy]);
        check(&[(0, 1), (1, 2), (0, 3), (1, 4)], &[Healthy, Healthy, Healthy, Healthy]);
    }

    #[test]
    fn a_healthcheck_gets_dockers_defaults() {
        let plan = plan();
        assert_eq!(plan.command, ["/bin/sh", "-c", "test -e /up"]);
        assert_eq!(plan.interval, Duration::from_secs(30));
        assert_eq!(plan.next(Verdict::Starting, Duration::ZERO), Duration::from_secs(5));
        assert_eq!(plan.next(Verdict::Healthy, Duration::ZERO), Duration::from_secs(30));
        let none = Healthcheck { test: Some(vec!["NONE".into()]), ..Healthcheck::default() };
        assert_eq!(Plan::of(Some(&none), None), None);
    }
}
