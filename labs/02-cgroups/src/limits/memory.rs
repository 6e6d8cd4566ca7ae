//! Memory on disk: v1 limits memory and swap together, v2 each by itself.
//!
//! Source: the kernel's admin-guide/cgroup-v1/memory.rst; admin-guide/cgroup-v2.rst, "Memory".

use ground::Result;

use super::{
    Bound, Memory, Write,
    write::{invalid, present},
};
use crate::{Controller, Version};

/// v1 keeps limit <= memsw at every moment. A fresh group has neither, so the smaller comes first.
pub(super) fn v1(memory: &Memory) -> Result<Vec<Write>> {
    swap_alone(memory)?;
    if let Some(swappiness) = memory.swappiness.filter(|it| *it > 100) {
        return Err(invalid(&format!("a swappiness of {swappiness} is above 100"))
            .fix("0 swaps as little as possible, 100 as readily as files are dropped"));
    }
    let written = |it: Option<Bound>| it.map(|it| it.written(Version::V1));
    let flag = |it: Option<bool>| it.map(|it| u8::from(it).to_string());
    let files = [
        ("memory.use_hierarchy", flag(memory.use_hierarchy.filter(|it| *it))),
        ("memory.limit_in_bytes", written(memory.limit)),
        ("memory.memsw.limit_in_bytes", written(memory.swap)),
        ("memory.soft_limit_in_bytes", written(memory.reservation)),
        ("memory.kmem.tcp.limit_in_bytes", written(memory.kernel_tcp)),
        ("memory.swappiness", memory.swappiness.map(|it| it.to_string())),
        ("memory.oom_control", flag(memory.disable_oom_killer)),
    ];
    Ok(skip_what_is_so_anyway(memory, present(Controller::Memory, files)))
}

pub(super) fn v2(memory: &Memory) -> Result<Vec<Write>> {
    let written = |it: Option<Bound>| it.map(|it| it.written(Version::V2));
    let files = [
        ("memory.max", written(memory.limit)),
        ("memory.swap.max", written(swap_alone(memory)?)),
        ("memory.low", written(memory.reservation)),
    ];
    Ok(skip_what_is_so_anyway(memory, present(Controller::Memory, files)))
}

/// A kernel that does not account swap has nothing to lift, and v2 without the file has no swap to
/// deny; one that always charges upwards may have lost the switch.
fn skip_what_is_so_anyway(memory: &Memory, writes: Vec<Write>) -> Vec<Write> {
    let unlimited = memory.swap == Some(Bound::Unlimited);
    let so_anyway = |it: &Write| match it.file.as_str() {
        "memory.swap.max" => unlimited || it.value == "0",
        "memory.memsw.limit_in_bytes" => unlimited,
        name => name == "memory.use_hierarchy",
    };
    writes.into_iter().map(|it| if so_anyway(&it) { it.or_skipped() } else { it }).collect()
}

/// v2 limits swap by itself, the specification limits the sum: the difference is what is left.
fn swap_alone(memory: &Memory) -> Result<Option<Bound>> {
    match (memory.swap, memory.limit) {
        (None, _) => Ok(None),
        (Some(Bound::Unlimited), _) => Ok(Some(Bound::Unlimited)),
        (Some(Bound::At(sum)), Some(Bound::At(limit))) if sum >= limit => {
            Ok(Some(Bound::At(sum - limit)))
        }
        (Some(Bound::At(sum)), Some(Bound::At(limit))) => Err(invalid(&format!(
            "{sum} bytes of memory and swap together are less than {limit} bytes of memory"
        ))
        .fix("memory-swap is the sum: give at least the memory limit, or -1 for no limit")),
        (Some(Bound::At(_)), _) => {
            Err(invalid("a limit on memory and swap together needs a limit on memory")
                .fix("give --memory too"))
        }
    }
}
