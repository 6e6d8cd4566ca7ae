//! Workers: a few threads that take the next of many jobs until one of them fails.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::Result;

/// How many blobs move at once. Docker takes three for a pull and five for a push; one connection
/// rarely fills a line, and more than a few only share it.
pub(super) const AT_ONCE: usize = 4;

/// Runs `job` for each item on up to [`AT_ONCE`] threads and adds up what they return.
///
/// After a failure no new item is begun, and the first failure is returned once the running ones
/// have ended.
pub(super) fn each<T: Sync>(items: &[T], job: impl Fn(&T) -> Result<u64> + Sync) -> Result<u64> {
    let next = Mutex::new(items.iter());
    let failed = AtomicBool::new(false);
    let work = || -> Result<u64> {
        let mut sum = 0;
        while !failed.load(Ordering::Relaxed) {
            let item = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(item) = item else { break };
            sum += job(item).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(sum)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(items.len())).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        // All are joined before the first failure is returned.
        let ended: Vec<_> = ended.collect();
        ended.into_iter().sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Error;

    #[test]
    fn every_item_is_worked_on_once() {
        let items: Vec<u64> = (1..=100).collect();
        assert_eq!(each(&items, |item| Ok(*item)), Ok(5050));
        assert_eq!(each(&[], |item: &u64| Ok(*item)), Ok(0));
    }

    #[test]
    fn a_failure_stops_the_rest() {
        let begun = Mutex::new(0);
        let items: Vec<u64> = (0..1000).collect();
        let failed = each(&items, |item| {
            *begun.lock().unwrap() += 1;
            match item {
                0 => Err(Error::Invalid(ground::Error::new("no"))),
                _ => {
                    thread::sleep(std::time::Duration::from_millis(20));
                    Ok(0)
                }
            }
        });
        assert!(failed.is_err());
        assert!(*begun.lock().unwrap() < 100);
    }
}
