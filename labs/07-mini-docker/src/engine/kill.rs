//! kill: a signal for the container's first process.

use std::time::Duration;

use ground::Error as Report;
use nix::sys::signal::Signal;

use super::{Engine, Error, Result, is_watched};
use crate::container::{Identity, Record, Status};

/// How long a process may take to die: the kernel takes its mounts apart first.
const DYING: Duration = Duration::from_secs(1);

impl Engine {
    /// Sends a signal, through the runtime. After SIGKILL or its stop signal no restart policy
    /// starts the container again.
    ///
    /// # Errors
    /// [`super::Kind::Conflict`] when it does not run.
    pub fn kill(&self, record: &Record, number: i32) -> Result<()> {
        let status = self.truth(record.clone()).state.status;
        let runs = matches!(status, Status::Running | Status::Paused);
        if !runs || !is_watched(record) {
            return Err(Error::conflict(
                Report::new(format!("cannot kill container: {}", record.name))
                    .why(format!("container {} is not running", record.id))
                    .fix(format!("start it first: mini-docker start {}", record.name)),
            ));
        }
        let stops = number == Signal::SIGKILL as i32 || Ok(number) == signal(record.stop_signal());
        if stops {
            self.mark_stopped(record)?;
        }
        self.send(record, number)
    }

    /// Sends a signal to a container that ran a moment ago: that it has ended meanwhile is what most
    /// signals are for. One that is paused goes on with it: it could not even die otherwise.
    pub(super) fn send(&self, record: &Record, signal: i32) -> Result<()> {
        let bundle = self.container_layout(record).bundle();
        let runtime = self.runtime(record)?;
        match runtime.kill(&record.id, signal, &bundle) {
            Err(_) if has_ended(record) => return Ok(()),
            sent => sent?,
        }
        let event = record.event("kill").with("signal", signal.to_string());
        event.record(&self.layout.events());
        if super::pause::is_frozen(record) {
            match runtime.resume(&record.id, &bundle) {
                Err(_) if has_ended(record) => {}
                resumed => resumed?,
            }
        }
        Ok(())
    }
}

/// Whether the program has ended since the record was read, or ends just now: its monitor may still
/// tidy up, and a process that is killed leaves its namespaces a while before it counts as dead.
fn has_ended(record: &Record) -> bool {
    let monitor = record.state.monitor.as_ref();
    !record.state.pid.is_some_and(Identity::runs)
        || monitor.is_none_or(|monitor| monitor.await_end(Some(DYING)))
}

/// The number of a signal: `TERM`, `SIGTERM` or `15`.
///
/// # Errors
/// [`super::Kind::Invalid`] for anything else.
pub fn signal(text: &str) -> Result<i32> {
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    let number = number.or_else(|| name.parse::<Signal>().ok().map(|signal| signal as i32));
    number.or_else(|| real_time(&name)).ok_or_else(|| {
        Error::invalid(
            Report::new(format!("Invalid signal: {text}"))
                .see("7 signal")
                .fix("give a name or a number: kill -l lists them"),
        )
    })
}

/// `SIGRTMIN+3` and `SIGRTMAX-1`: how systemd is asked to stop.
fn real_time(name: &str) -> Option<i32> {
    let (first, last) = (nix::libc::SIGRTMIN(), nix::libc::SIGRTMAX());
    let number = match (name.strip_prefix("SIGRTMIN"), name.strip_prefix("SIGRTMAX")) {
        (Some(""), _) => first,
        (_, Some("")) => last,
        (Some(more), _) => first + more.strip_prefix('+')?.parse::<i32>().ok()?,
        (_, Some(less)) => last - less.strip_prefix('-')?.parse::<i32>().ok()?,
        _ => return None,
    };
    (first..=last).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_signal_has_three_spellings() {
        for text in ["15", "TERM", "sigterm", "SIGTERM"] {
            assert_eq!(super::signal(text), Ok(15));
        }
        for text in ["0", "65", "NOPE", "", "RTMIN+99"] {
            assert!(super::signal(text).is_err(), "{text}");
        }
        assert_eq!(super::signal("SIGRTMIN+3"), Ok(37));
    }
}
