//! What the files mean, and what to do when the kernel refuses a write.
//!
//! A cgroup file answers a wrong write with an errno and no word more. Two tables, in words: what
//! each file is for, and what each refusal of it says about the machine.

use std::path::Path;

use ground::{Errno, Error};

/// What is written there for, as a plan says it.
pub fn meaning(file: &str) -> &'static str {
    match file {
        "cpu.max" => "CPU time in us per period in us, over all CPUs together; max is no limit",
        "cpu.cfs_quota_us" => "CPU time in us per period, over all CPUs together; -1 is no limit",
        "cpu.cfs_period_us" => "the period in us that the quota is counted in",
        "cpu.cfs_burst_us" | "cpu.max.burst" => "unused quota that may be saved up, in us",
        "cpu.shares" => "the share of contended CPUs; 1024 is everybody's default",
        "cpu.weight" => "the share of contended CPUs; 100 is everybody's default",
        "cpu.idle" => "1: run only when nobody else wants the CPU",
        "cpuset.cpus" => "the CPUs that may be used; sched_getaffinity(2) shows it",
        "cpuset.mems" => "the memory nodes that may be used",
        "memory.max" | "memory.limit_in_bytes" => {
            "bytes; above it the kernel reclaims, and kills when that is not enough"
        }
        "memory.swap.max" => "bytes of swap alone; v1 and the OCI count memory and swap together",
        "memory.memsw.limit_in_bytes" => "bytes of memory and swap together, never below the limit",
        "memory.low" | "memory.soft_limit_in_bytes" => "bytes that reclaim tries to leave alone",
        "pids.max" => "tasks, threads included; one more and fork(2) fails with EAGAIN",
        "cgroup.procs" => "moves the whole process, every thread of it; 0 is the writer itself",
        "tasks" => "v1 only: moves one single thread",
        "cgroup.subtree_control" => "hands the controllers down to the groups below",
        "cgroup.freeze" | "freezer.state" => "stops or continues every task of the group",
        "cgroup.kill" => "SIGKILL to everything in the group and below, in one go",
        _ if file.starts_with("io.") || file.starts_with("blkio.") => {
            "the device and how much per second may go through it"
        }
        _ if file.starts_with("hugetlb.") => "bytes of huge pages of this size",
        _ => "a setting of this group",
    }
}

/// Where the file is described, for "man ..".
pub(crate) fn manual(file: &str) -> &'static str {
    if file.starts_with("cpuset.") { "7 cpuset" } else { "7 cgroups" }
}

/// Errno, the file (or its beginning, or `""` for any), the advice. The first match counts.
const ADVICE: &[(Errno, &str, &str)] = &[
    (
        Errno::EBUSY,
        "cgroup.subtree_control",
        "a v2 group either has processes or hands controllers down (\"no internal processes\"): \
         move its processes into a group below it first",
    ),
    (
        Errno::EBUSY,
        "cgroup.procs",
        "this v2 group hands controllers down (cgroup.subtree_control), so it may have no \
         processes of its own: join a group below it",
    ),
    (
        Errno::EBUSY,
        "memory.",
        "more memory is in use than the new limit, and nothing can be reclaimed: stop something \
         in the group or give more",
    ),
    (Errno::EBUSY, "", "the group still has processes or groups below it: remove those first"),
    (
        Errno::EINVAL,
        "cpu.cfs_quota_us",
        "the quota is at least 1000 us, and quota/period must not be above the parent group's",
    ),
    (
        Errno::EINVAL,
        "cpu.cfs_period_us",
        "the period lies between 1000 and 1000000 us; with a quota set, quota/period must not be \
         above the parent group's",
    ),
    (
        Errno::EINVAL,
        "cpu.cfs_burst_us",
        "the burst is at most the quota, and needs one: set a quota first",
    ),
    (
        Errno::EINVAL,
        "cpu.max.burst",
        "the burst is at most the quota, and needs one: set cpu.max first",
    ),
    (
        Errno::EINVAL,
        "cpu.max",
        "write \"QUOTA PERIOD\" in us: the quota at least 1000 (or max), the period 1000 to 1000000",
    ),
    (
        Errno::EINVAL,
        "cpuset.",
        "a list like 0-3,7 of CPUs (or nodes) that exist and that the parent group has: \
         see cpuset.cpus and cpuset.mems one level up",
    ),
    (
        Errno::EINVAL,
        "memory.memsw",
        "memory and swap together are never less than memory alone: give the sum",
    ),
    (
        Errno::EINVAL,
        "memory.limit",
        "the limit must not be above memory+swap (memory.memsw.limit_in_bytes): raise that first",
    ),
    (Errno::EINVAL, "io.max", "write \"MAJOR:MINOR rbps=N wbps=N riops=N wiops=N\""),
    (Errno::EINVAL, "", "the kernel does not take this value; see the file's format"),
    (Errno::ERANGE, "cpu.weight", "a weight lies between 1 and 10000"),
    (
        Errno::ERANGE,
        "cpuset.",
        "this machine has fewer CPUs (or nodes): see /sys/devices/system/cpu/online",
    ),
    (Errno::ERANGE, "", "the value is out of the file's range"),
    (Errno::EACCES, "cpuset.", "the parent group does not have this CPU or node: see its cpuset"),
    (
        Errno::ENOSPC,
        "cgroup.procs",
        "the group's cpuset is empty: write cpuset.cpus and cpuset.mems before a process joins",
    ),
    (
        Errno::ENOSPC,
        "cpuset.",
        "processes are in the group, it cannot be left without a CPU or a memory node",
    ),
    (
        Errno::ENODEV,
        "",
        "no block device has these numbers, or it is a partition: lsblk lists them",
    ),
    (
        Errno::ENOENT,
        "cgroup.subtree_control",
        "the group above does not hand this controller down, or a v1 tree holds it: see \
         cgroup.controllers and /proc/cgroups",
    ),
    (
        Errno::ENOENT,
        "memory.memsw",
        "this kernel does not account swap: boot it with swapaccount=1, or leave memory-swap out",
    ),
    (Errno::ENOENT, "memory.swap", "this kernel has no swap accounting: leave memory-swap out"),
    (
        Errno::ENOENT,
        "",
        "the controller is not enabled here: on v2 the group above must list it in \
         cgroup.subtree_control, on v1 its tree must be mounted",
    ),
    (
        Errno::EOPNOTSUPP,
        "",
        "the group is threaded (see cgroup.type): use its nearest domain group",
    ),
    (
        Errno::EACCES,
        "cgroup.procs",
        "on v2 moving a process needs write access to the cgroup.procs of the nearest group above \
         both places: start the process inside instead",
    ),
    (
        Errno::EACCES,
        "",
        "the directory is not ours: run as root, or below a delegated group: \
         systemd-run --user --scope -p Delegate=yes COMMAND",
    ),
    (Errno::EPERM, "", "this needs root, or a group that was delegated to this user"),
    (
        Errno::EROFS,
        "",
        "the cgroup file system is mounted read-only, as in a container: start it with \
         --privileged, or with a cgroup namespace and a writable /sys/fs/cgroup",
    ),
    (Errno::ESRCH, "", "no process has this id, or it ended in the meantime"),
    (
        Errno::EAGAIN,
        "",
        "the machine-wide number of groups or tasks is used up: see cgroup.max.descendants and \
         pids.max above",
    ),
    (Errno::EEXIST, "", "a group of this name is already there: take another name or remove it"),
];

/// What a person can do about `errno` on the cgroup file or directory `name`.
pub fn advice(name: &str, errno: Errno) -> Option<&'static str> {
    let mut table = ADVICE.iter();
    table.find(|(it, start, _)| *it == errno && name.starts_with(start)).map(|(.., text)| *text)
}

/// The report for `call` on `path` having failed.
pub(crate) fn failed(what: &str, call: &str, path: &Path, errno: Errno) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let error = Error::new(what).call(call, errno).see(manual(&name));
    match advice(&name, errno) {
        Some(fix) => error.fix(fix),
        None => error,
    }
}

/// The report for `value` not having been taken by the file at `path`.
pub fn refused(what: &str, path: &Path, value: &str, errno: Errno) -> Error {
    failed(what, &format!("write(\"{}\", \"{value}\")", path.display()), path, errno)
}
