//! Workers: a few threads that take the next of many jobs until one of them fails.
//!
//! Only a command that is about to end has threads; no process that makes containers does.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Runs `job` for each item on up to `at_once` threads and returns what they returned, in the order
/// of the items.
///
/// # Errors
/// After a failure no new item is begun, and the first failure in time is returned once the running
/// ones have ended.
pub fn each<T: Sync, R: Send, E: Send>(
    at_once: usize,
    items: &[T],
    job: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = Mutex::new(items.iter().enumerate());
    let failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let work = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let item = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, item)) = item else { break };
            match job(item) {
                Ok(result) => done.push((index, result)),
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        }
        done
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..at_once.max(1).min(items.len())).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        // All are joined before any result is looked at.
        ended.collect::<Vec<_>>().into_iter().flatten().collect()
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_results_keep_their_order() {
        let items: Vec<u64> = (1..=100).collect();
        assert_eq!(each(4, &items, |item| Ok::<_, ()>(*item)), Ok(items.clone()));
        assert_eq!(each(4, &[], |item: &u64| Ok::<_, ()>(*item)), Ok(vec![]));
    }

    #[test]
    fn a_failure_stops_the_rest() {
        let begun = Mutex::new(0);
        let items: Vec<u64> = (0..1000).collect();
        let failed = each(4, &items, |item| {
            *begun.lock().unwrap() += 1;
            match item {
                0 => Err("no"),
                _ => {
                    thread::sleep(std::time::Duration::from_millis(20));
                    Ok(())
                }
            }
        });
        assert_eq!(failed, Err("no"));
        assert!(*begun.lock().unwrap() < 100);
    }
}
