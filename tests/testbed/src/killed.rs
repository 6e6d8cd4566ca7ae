//! Death at any moment: what a command has made must go although it cannot clean up.

use std::{
    env,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Host, Place, Run,
    process::{marked, own_mark},
};

/// Starts a command `times` times and sends it SIGKILL after a random part of the time that a whole
/// run takes; returns the number of trials that were killed before their end.
///
/// The signal goes to the command alone, not to its children: that they go too is what is tested.
/// After each trial the host must be as it was, without another run that would sweep.
///
/// The moments come from a seed that is printed; `UNBOXED_SEED` repeats them.
///
/// # Panics
/// When something is left, with the trial and its moment; when the command fails by itself; when
/// most trials ended before they were killed, and so tested nothing.
#[track_caller]
pub fn killed_at_random(place: Place, bin: impl AsRef<Path>, args: &[&str], times: usize) -> usize {
    assert!(!place.is_guest(), "SIGKILL to a guest's runner is no test of the command");
    let run = Run { args, ..Run::of(bin.as_ref()) };
    let before = Host::now();
    let started = Instant::now();
    run.run_in(place).success();
    let mut whole = started.elapsed();
    let mut moments = Moments::seeded();
    let killed = (1..=times).filter(|trial| {
        let (after, started) = (moments.below(whole), Instant::now());
        let killed = kill_after(&run, place, after);
        if !killed {
            // The machine was busier when the whole was measured.
            whole = whole.min(started.elapsed());
        }
        assert_no_process(&format!("trial {trial}, killed after {after:?}"));
        before.assert_unchanged();
        killed
    });
    let killed = killed.count();
    assert_enough(killed, times);
    killed
}

/// A kill that comes after the end is no test.
#[track_caller]
fn assert_enough(killed: usize, times: usize) {
    assert!(3 * killed >= times, "only {killed} of {times} were killed before their end");
}

fn kill_after(run: &Run<'_>, place: Place, moment: Duration) -> bool {
    let running = run.start(place);
    thread::sleep(moment);
    let _ = kill(Pid::from_raw(running.child.id().cast_signed()), Signal::SIGKILL);
    running.end().code == 128 + Signal::SIGKILL as i32
}

#[track_caller]
fn assert_no_process(trial: &str) {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let left = marked(&own_mark());
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{trial}: {left:?} live on");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Random moments: xorshift, which is enough to be anywhere and repeatable.
struct Moments(u64);

impl Moments {
    fn seeded() -> Self {
        let seed = env::var("UNBOXED_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let seed = seed.unwrap_or_else(|| now() as u64).max(1);
        eprint_seed(seed);
        Self(seed)
    }

    fn below(&mut self, whole: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        whole.mul_f64((self.0 % 10_000) as f64 / 10_000.0)
    }
}

#[allow(clippy::print_stderr, reason = "the harness shows it only when the test fails")]
fn eprint_seed(seed: u64) {
    eprintln!("UNBOXED_SEED={seed}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "only 4 of 15 were killed")]
    fn kills_that_come_too_late_are_no_test() {
        assert_enough(5, 15);
        assert_enough(4, 15);
    }
}
