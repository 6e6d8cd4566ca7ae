//! Limits to writes: which file gets which text, in which order, for either version.
//!
//! | limit | v1 | v2 |
//! |---|---|---|
//! | quota, period | `cpu.cfs_quota_us`, `cpu.cfs_period_us` | `cpu.max` = "QUOTA PERIOD" |
//! | shares | `cpu.shares` | `cpu.weight`, converted |
//! | memory | `memory.limit_in_bytes` | `memory.max` |
//! | memory + swap | `memory.memsw.limit_in_bytes`, the sum | `memory.swap.max`, the difference |
//! | tasks | `pids.max` | `pids.max` |
//! | a device's rates | `blkio.throttle.read_bps_device` .. | `io.max` |
//! | weight of block devices | `blkio.bfq.weight` or `blkio.weight` | `io.bfq.weight` or `io.weight`, converted |
//! | huge pages | `hugetlb.2MB.limit_in_bytes` | `hugetlb.2MB.max` |
//! | class, priorities of packets | `net_cls.classid`, `net_prio.ifpriomap` | none |

use ground::Result;

use super::{Limits, Write, cpu, io, memory, rest};
use crate::{Controller, Version};

impl Limits {
    // ANCHOR: writes
    /// Every write that these limits need in trees of `version`, in order. In a fresh group they
    /// are done as they stand; [`Group::apply`](crate::Group::apply) says what changes for one that
    /// has limits already. What the version has no file for is left out ([`Limits::ignored`]).
    ///
    /// # Errors
    /// A combination that has no meaning: less memory+swap than memory, a swap limit alone, a
    /// weight in v1, `unified` in v1.
    pub fn writes(&self, version: Version) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        for (file, list) in [("cpuset.cpus", &self.cpuset.cpus), ("cpuset.mems", &self.cpuset.mems)]
        {
            writes.extend(list.iter().map(|it| Write::new(Controller::Cpuset, file, it)));
        }
        match version {
            Version::V1 => {
                writes.extend(cpu::v1(&self.cpu)?);
                writes.extend(memory::v1(&self.memory)?);
            }
            Version::V2 => {
                writes.extend(cpu::v2(&self.cpu));
                writes.extend(memory::v2(&self.memory)?);
            }
        }
        let pids = self.pids.map(|it| Write::new(Controller::Pids, "pids.max", it));
        writes.extend(pids);
        writes.extend(io::writes(&self.io, version));
        writes.extend(self.hugetlb.iter().flat_map(|it| rest::huge_pages(it, version)));
        if version == Version::V1 {
            writes.extend(rest::network(&self.network));
        }
        writes.extend(self.rdma.iter().map(|(device, limit)| rest::rdma(device, limit)));
        writes.extend(rest::unified(self, version)?);
        Ok(writes)
    }
    // ANCHOR_END: writes
}
