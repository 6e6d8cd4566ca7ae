//! Control groups: what a process may use, counted and capped by writing small files.
//!
//! A group is a directory of a file system, a limit is a file in it, joining is writing a process
//! id. The rest of this library is what the two versions of the interface make of that (man 7
//! cgroups; the kernel's admin-guide/cgroup-v2.rst and admin-guide/cgroup-v1/):
//!
//! ```text
//! /proc/self/{mountinfo,cgroup} --Hierarchies--> where each controller lives, v1 or v2
//!                               --Site---------> the directories in which *we* may make groups
//! Limits --writes(version)--> [cpu.max = "20000 100000", ..]   (pure: what --explain prints)
//! Group::create --apply--> limits written --join steps or add--> processes inside
//!               --stat, freeze, thaw, kill_all, remove-->        one answer for both versions
//! ```
//!
//! A [`Group`] outlives the process that made it, as a container's must. A [`Temporary`] group goes
//! when its value does; a guarded one also when its maker is killed, by a guardian that is started
//! through [`door`]; and [`sweep`] removes those whose guardian was killed too.

mod account;
pub mod advice;
pub mod devices;
mod group;
mod limits;
mod place;
pub mod proc_files;
mod sys;

pub use account::{
    Account, CpuStat, IoCount, MemoryStat, PerCpu, PidsStat, Pressure, Stalled, Stat, Usage,
};
pub use group::{FreezeState, Group, Join, Temporary, door, sweep};
pub use limits::{
    Absent, Bound, Bytes, Cpu, CpuList, Cpus, Cpuset, DeviceLimit, HugePages, Ignored, Io, Limits,
    Memory, MemoryLimit, Network, Rdma, Tasks, Write, shares_to_weight, weight_of_v2,
};
pub use place::{
    Candidate, Controller, Controllers, Delegation, Hierarchies, Hierarchy, Mode, Refusal, Site,
    Version,
};
