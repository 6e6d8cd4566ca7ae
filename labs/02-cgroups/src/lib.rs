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
//! A [`Group`] outlives the process that made it, as a container's must; a [`Temporary`] group
//! goes when its value does, and [`sweep`] removes those whose maker was killed.

pub mod advice;
mod census;
mod controller;
mod delegation;
mod freezer;
mod group;
mod hierarchy;
mod limits;
mod membership;
pub mod proc_files;
mod quantity;
mod removal;
mod stat;
mod temporary;
mod writes;

pub use controller::{Controller, Controllers};
pub use delegation::{Candidate, Delegation, Refusal, Site};
pub use freezer::FreezeState;
pub use group::Group;
pub use hierarchy::{Hierarchies, Hierarchy, Mode, Version};
pub use limits::{Cpu, Cpuset, DeviceLimit, HugePages, Limits, Memory};
pub use membership::Join;
pub use quantity::{Bound, Bytes, CpuList, Cpus};
pub use stat::{CpuStat, MemoryStat, PidsStat, Stat};
pub use temporary::{Temporary, sweep};
pub use writes::{Write, shares_to_weight};
