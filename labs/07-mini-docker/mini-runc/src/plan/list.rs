//! Lists of CPUs and memory nodes: `0-3,7`.
//!
//! Source: man 7 cpuset, "List format".

use ground::{Error, Result};

/// No machine has more; the kernel's own limit is lower (CONFIG_NR_CPUS, MAX_NUMNODES).
const MOST: usize = 8192;

/// The numbers of a list in order, each once.
///
/// # Errors
/// A list that is none; `field` names it.
pub(super) fn numbers(field: &str, list: &str) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in list.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last && last < MOST => numbers.extend(first..=last),
            _ => {
                return Err(Error::new(format!("cannot read {field}"))
                    .why(format!("config.json, {field}: {list:?} has {part:?}"))
                    .see("7 cpuset")
                    .fix("write numbers and ranges with commas between: 0-3,7"));
            }
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_numbers_and_ranges() {
        assert_eq!(numbers("x", "0-3,7").unwrap(), [0, 1, 2, 3, 7]);
        assert_eq!(numbers("x", " 5 , 1-2,2").unwrap(), [1, 2, 5]);
        assert_eq!(numbers("x", "").unwrap(), [0; 0]);
        for list in ["a", "3-1", "1-", "-1", "1-99999999999999999999", "8192"] {
            assert!(numbers("x", list).is_err(), "{list}");
        }
    }
}
