//! Limits that a machine has no place for: left out, and said so in Docker's words.
//!
//! v2 has no file for two limits of v1, and Docker makes the container without them. So the record,
//! and `inspect`, have them neither.

use cgroups::{Hierarchies, Mode};

use super::Result;
use crate::container::Limits;

/// Takes out what pure v2 cannot keep. Returns a remark for each.
///
/// # Errors
/// /proc cannot be read.
pub fn discard(limits: &mut Limits) -> Result<Vec<&'static str>> {
    let asked = limits.memory_swappiness.is_some() || limits.oom_kill_disable;
    // Looked at only for who asks: the machine's mounts are many.
    match asked && Hierarchies::of_this_process()?.mode() == Mode::V2 {
        true => Ok(without_those_of_v1(limits)),
        false => Ok(Vec::new()),
    }
}

fn without_those_of_v1(limits: &mut Limits) -> Vec<&'static str> {
    let swappiness = limits.memory_swappiness.take().map(|_| {
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. \
         Memory swappiness discarded."
    });
    let oom_kill = std::mem::take(&mut limits.oom_kill_disable)
        .then_some("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    swappiness.into_iter().chain(oom_kill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said_and_the_rest_stays() {
        let memory = Limits { memory: Some(1 << 26), ..Limits::default() };
        let mut limits =
            Limits { memory_swappiness: Some(10), oom_kill_disable: true, ..memory.clone() };
        assert_eq!(without_those_of_v1(&mut limits).len(), 2);
        assert_eq!(limits, memory);
        assert_eq!(without_those_of_v1(&mut limits), [""; 0]);
    }
}
