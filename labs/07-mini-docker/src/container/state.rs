//! State: where a container is in its life, and where it may go from there.

use serde::{Deserialize, Serialize};

/// Where a container is in its life, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was made and never ran, or its only start failed.
    Created,
    /// Its program runs.
    Running,
    /// Its program stands still where it is. Never written down: the kernel knows it
    /// (cgroups(7), the freezer), and only its word counts.
    Paused,
    /// Its program has ended, and its monitor waits a moment before it starts it again.
    Restarting,
    /// Its program has ended; it can be started again.
    Exited,
    /// Somebody is taking it away; what is left of it cannot be used.
    Removing,
}

impl Status {
    /// Whether a container may go from here to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{Created, Exited, Removing, Restarting, Running};
        matches!(
            (self, next),
            // A start that failed for a container that was stopped leaves it stopped.
            (Created | Exited | Restarting, Running)
                | (Running, Restarting)
                | (Created | Running | Restarting | Exited, Exited)
                | (Created | Exited | Removing, Removing)
        )
    }

    /// Whether it counts as running: in Docker, one that is paused or about to be started again
    /// does so too.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    /// The word that Docker shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Removing => "removing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status::{self, Created, Exited, Removing, Restarting, Running};

    #[test]
    fn a_container_is_removed_only_when_it_does_not_run() {
        let into = |next: Status| {
            [Created, Running, Restarting, Exited, Removing].map(|status| status.may_become(next))
        };
        assert_eq!(into(Created), [false, false, false, false, false]);
        assert_eq!(into(Running), [true, false, true, true, false]);
        assert_eq!(into(Restarting), [false, true, false, false, false]);
        assert_eq!(into(Exited), [true, true, true, true, false]);
        assert_eq!(into(Removing), [true, false, false, true, true]);
    }
}
