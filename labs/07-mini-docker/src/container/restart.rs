//! Restart: when a container whose program has ended is started again, and after how long.
//!
//! | policy | starts again |
//! |---|---|
//! | `no` | never |
//! | `on-failure[:N]` | after a status other than 0, N times at most |
//! | `always` | always, also after a reboot, even if it was stopped before that |
//! | `unless-stopped` | the same, unless somebody has stopped it |
//!
//! `stop` ends all of them until the next `start`. The delay begins at 100 ms, doubles with each
//! try up to a minute, and begins anew when the program ran for ten seconds.
//!
//! Source: Docker's documentation, "Start containers automatically"; moby, `restartmanager`.

use std::{fmt, str::FromStr, time::Duration};

use ground::Error;
use serde::{Deserialize, Serialize};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// Who ran as long as this was well: the delay begins anew.
const RAN_WELL: Duration = Duration::from_secs(10);

/// When a container is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// After a failure, this often at most; 0 is without limit.
    OnFailure(u32),
    /// Whenever it has ended.
    Always,
    /// Whenever it has ended by itself.
    UnlessStopped,
}

/// What is known about a run that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The status of the program.
    pub exit_code: i32,
    /// How long it ran.
    pub lasted: Duration,
    /// Whether somebody has stopped it.
    pub stopped: bool,
    /// How often it was started again by now.
    pub count: u32,
    /// How long the last delay was; zero if there was none.
    pub delay: Duration,
}

impl Restart {
    /// How long to wait before the next start; `None` when there is to be none.
    pub fn after(self, run: Run) -> Option<Duration> {
        let again = match self {
            _ if run.stopped => false,
            Self::No => false,
            Self::OnFailure(most) => run.exit_code != 0 && (most == 0 || run.count < most),
            Self::Always | Self::UnlessStopped => true,
        };
        again.then(|| match run.delay {
            _ if run.lasted >= RAN_WELL => FIRST_DELAY,
            Duration::ZERO => FIRST_DELAY,
            delay => (delay * 2).min(LONGEST_DELAY),
        })
    }

    /// Whether a container that ran before is started when the machine has.
    pub fn survives_reboot(self, stopped: bool) -> bool {
        match self {
            Self::No | Self::OnFailure(_) => false,
            Self::Always => true,
            Self::UnlessStopped => !stopped,
        }
    }

    /// Docker's name for it, without the number.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure(_) => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }

    /// How often it is started again at most; 0 is without limit.
    pub fn most(self) -> u32 {
        if let Self::OnFailure(most) = self { most } else { 0 }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most() {
            0 => f.write_str(self.name()),
            most => write!(f, "{}:{most}", self.name()),
        }
    }
}

impl FromStr for Restart {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fix = "write --restart no, always, unless-stopped, on-failure or on-failure:3";
        let (name, most) = match text.split_once(':') {
            Some((name, most)) => (name, Some(most)),
            None => (text, None),
        };
        match (name, most) {
            ("no" | "", None) => Ok(Self::No),
            ("always", None) => Ok(Self::Always),
            ("unless-stopped", None) => Ok(Self::UnlessStopped),
            ("on-failure", None) => Ok(Self::OnFailure(0)),
            ("on-failure", Some(most)) => most.parse().map(Self::OnFailure).map_err(|_| {
                Error::new("invalid restart policy format: maximum retry count must be an integer")
                    .fix(fix)
            }),
            ("no" | "always" | "unless-stopped", Some(_)) => Err(Error::new(
                "invalid restart policy: maximum retry count can only be used with 'on-failure'",
            )
            .fix(fix)),
            _ => Err(Error::new(format!(
                "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', \
                 'on-failure', or 'unless-stopped'"
            ))
            .fix(fix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Run = Run {
        exit_code: 1,
        lasted: Duration::ZERO,
        stopped: false,
        count: 2,
        delay: Duration::from_millis(400),
    };

    #[track_caller]
    fn check(policy: &str, run: Run, expected: Option<u64>) {
        let policy: Restart = policy.parse().unwrap();
        assert_eq!(policy.after(run), expected.map(Duration::from_millis));
    }

    #[test]
    fn the_policy_decides_and_the_delay_grows() {
        let well = Run { exit_code: 0, ..FAILED };
        let stopped = Run { stopped: true, ..FAILED };
        check("no", FAILED, None);
        check("always", FAILED, Some(800));
        check("always", well, Some(800));
        check("always", stopped, None);
        check("unless-stopped", well, Some(800));
        check("on-failure", well, None);
        check("on-failure", FAILED, Some(800));
        check("on-failure:3", FAILED, Some(800));
        check("on-failure:2", FAILED, None);
        check("always", Run { delay: Duration::ZERO, ..FAILED }, Some(100));
        check("always", Run { delay: Duration::from_secs(50), ..FAILED }, Some(60_000));
        check("always", Run { lasted: Duration::from_secs(10), ..FAILED }, Some(100));
    }

    #[test]
    fn a_policy_is_read_as_it_is_shown() {
        for text in ["no", "always", "unless-stopped", "on-failure", "on-failure:7"] {
            assert_eq!(text.parse::<Restart>().unwrap().to_string(), text);
        }
        for text in ["never", "always:3", "on-failure:x", "on-failure:-1"] {
            assert!(text.parse::<Restart>().is_err(), "{text}");
        }
    }
}
