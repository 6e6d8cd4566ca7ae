//! Every refusal the library can put into words.

use std::path::Path;

use cgroups::{Refusal, advice::refused};
use ground::Errno;

/// What the kernel answers, file by file.
const REFUSALS: &[(&str, &str, Errno)] = &[
    ("cgroup.subtree_control", "+memory", Errno::EBUSY),
    ("cgroup.subtree_control", "+rdma", Errno::ENOENT),
    ("cgroup.procs", "4711", Errno::EBUSY),
    ("cgroup.procs", "4711", Errno::ENOSPC),
    ("cgroup.procs", "4711", Errno::ESRCH),
    ("cgroup.procs", "4711", Errno::EACCES),
    ("cgroup.procs", "4711", Errno::EOPNOTSUPP),
    ("cpu.cfs_quota_us", "500", Errno::EINVAL),
    ("cpu.cfs_period_us", "2000000", Errno::EINVAL),
    ("cpu.cfs_burst_us", "99999", Errno::EINVAL),
    ("cpu.max", "500 100000", Errno::EINVAL),
    ("cpu.max.burst", "99999", Errno::EINVAL),
    ("cpu.weight", "20000", Errno::ERANGE),
    ("cpuset.cpus", "x", Errno::EINVAL),
    ("cpuset.cpus", "99", Errno::ERANGE),
    ("cpuset.cpus", "1", Errno::EACCES),
    ("cpuset.cpus", "", Errno::ENOSPC),
    ("memory.limit_in_bytes", "4096", Errno::EBUSY),
    ("memory.limit_in_bytes", "134217728", Errno::EINVAL),
    ("memory.memsw.limit_in_bytes", "1", Errno::EINVAL),
    ("memory.memsw.limit_in_bytes", "1", Errno::ENOENT),
    ("memory.swap.max", "0", Errno::ENOENT),
    ("memory.max", "64m", Errno::EINVAL),
    ("memory.max", "67108864", Errno::ENOENT),
    ("io.max", "8:1 rbps=1", Errno::ENODEV),
    ("io.max", "nonsense", Errno::EINVAL),
    ("pids.max", "-5", Errno::EINVAL),
    ("pids.max", "99999999", Errno::ERANGE),
    ("pids.max", "8", Errno::EACCES),
    ("pids.max", "8", Errno::EPERM),
    ("pids.max", "8", Errno::EROFS),
];

#[test]
fn each_refused_write_says_what_mends_it() {
    let reports: Vec<String> = REFUSALS
        .iter()
        .map(|(file, value, errno)| {
            let path = Path::new("/sys/fs/cgroup/box").join(file);
            refused("cannot set a limit", &path, value, *errno).to_string()
        })
        .collect();
    assert!(reports.iter().all(|it| it.contains("fix: ")), "one has no fix");
    testbed::snapshot!("refused_writes", reports.join("\n"));
}

#[test]
fn each_reason_for_having_no_place_says_how_to_get_one() {
    let refusals = [
        Refusal::ReadOnly,
        Refusal::RootWithoutRights,
        Refusal::NotDelegated,
        Refusal::NoUserSession,
        Refusal::OrdinaryUserOnV1,
    ];
    let reports: Vec<String> =
        refusals.iter().map(|it| it.error(Path::new("/sys/fs/cgroup")).to_string()).collect();
    testbed::snapshot!("no_place", reports.join("\n"));
}
