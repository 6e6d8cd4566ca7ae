//! When and where a process runs: scheduling policy, I/O priority, memory policy.

use nix::errno::Errno;

type Done = Result<(), Errno>;

/// `struct sched_attr` of linux/sched/types.h, as far as Linux 5.3 knows it. An older kernel takes it
/// as long as what it does not know is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SchedAttr {
    /// The size of this struct; [`sched_setattr`] fills it in.
    pub size: u32,
    /// SCHED_OTHER, SCHED_FIFO and so on.
    pub policy: u32,
    /// SCHED_FLAG_RESET_ON_FORK and so on.
    pub flags: u64,
    /// -20 to 19, for SCHED_OTHER and SCHED_BATCH.
    pub nice: i32,
    /// 1 to 99, for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Nanoseconds, for SCHED_DEADLINE.
    pub runtime_ns: u64,
    /// Nanoseconds, for SCHED_DEADLINE.
    pub deadline_ns: u64,
    /// Nanoseconds, for SCHED_DEADLINE.
    pub period_ns: u64,
    /// Utilisation that the kernel assumes at least; nothing sets it here.
    pub util_min: u32,
    /// Utilisation that the kernel assumes at most; nothing sets it here.
    pub util_max: u32,
}

/// Sets the caller's scheduling policy (man 2 sched_setattr).
pub fn sched_setattr(attributes: SchedAttr) -> Done {
    let attributes = SchedAttr { size: size_of::<SchedAttr>() as u32, ..attributes };
    // SAFETY: 0 is the caller; the struct outlives the call and says its true size.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &attributes, 0) };
    Errno::result(set).map(drop)
}

/// Sets the caller's I/O class and level, packed as the kernel has them (man 2 ioprio_set).
pub fn ioprio_set(packed: u16) -> Done {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    // SAFETY: three integers go in; 0 is the caller.
    let set =
        unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, i32::from(packed)) };
    Errno::result(set).map(drop)
}

/// Sets the caller's memory policy; `nodes` is a bit mask, the lowest node first (man 2
/// set_mempolicy).
pub fn set_mempolicy(mode: i32, nodes: &[u64]) -> Done {
    // The kernel reads one bit less than it is told.
    let most = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    let mask = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: `mask` has at least `most - 1` bits, and outlives the call; null goes with 0.
    let set = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, most) };
    Errno::result(set).map(drop)
}
