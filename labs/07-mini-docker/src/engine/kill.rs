//! kill: a signal for the container's first process.

use ground::Error as Report;
use nix::sys::signal::Signal;

use super::{Engine, Error, Result, is_watched};
use crate::container::{Record, Status};

impl Engine {
    /// Sends a signal, through the runtime.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it does not run.
    pub fn kill(&self, record: &Record, signal: i32) -> Result<()> {
        if record.state.status != Status::Running || !is_watched(record) {
            return Err(Error::conflict(
                Report::new(format!("cannot kill container: {}", record.name))
                    .why(format!("container {} is not running", record.id))
                    .fix(format!("start it first: mini-docker start {}", record.name)),
            ));
        }
        let bundle = self.container_layout(record).bundle();
        match self.runtime(record)?.kill(&record.id, signal, &bundle) {
            // It ended meanwhile, which is what most signals are for.
            Err(_) if self.has_ended(record) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

impl Engine {
    /// Whether the program has ended since the record was read: its monitor may still tidy up.
    fn has_ended(&self, record: &Record) -> bool {
        let is_zombie = |pid: i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with(['Z', 'X']))
        };
        !is_watched(record) || record.state.pid.is_none_or(is_zombie)
    }
}

/// The number of a signal: `TERM`, `SIGTERM` or `15`.
///
/// # Errors
/// [`super::Kind::Invalid`] for anything else.
pub fn signal(text: &str) -> Result<i32> {
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    number.or_else(|| name.parse::<Signal>().ok().map(|signal| signal as i32)).ok_or_else(|| {
        Error::invalid(
            Report::new(format!("Invalid signal: {text}"))
                .see("7 signal")
                .fix("give a name or a number: kill -l lists them"),
        )
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_signal_has_three_spellings() {
        for text in ["15", "TERM", "sigterm", "SIGTERM"] {
            assert_eq!(super::signal(text), Ok(15));
        }
        for text in ["0", "65", "NOPE", ""] {
            assert!(super::signal(text).is_err(), "{text}");
        }
    }
}
