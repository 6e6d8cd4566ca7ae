//! The system calls that nix does not wrap. All `unsafe` of the benchmark is in this file.
//!
//! # Safety
//! Every function here is safe to call; the floor has a single thread when it clones.
#![allow(unsafe_code, reason = "system calls without a wrapper, each with its reason")]

use std::{
    ffi::CStr,
    mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use nix::{errno::Errno, unistd::Pid};

/// As fork(2), in new namespaces and, on v2, in the group `cgroup`; `None` for the child.
pub fn clone3(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Pid>, Errno> {
    /// libc's constant of this name is 0: the flag has 33 bits and libc's type has 32.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: clone_args is a struct of integers, for which all bits zero is a value.
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    args.flags = flags as u32 as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let size = size_of_val(&args);
    // SAFETY: `args` outlives the call and its true size is passed. Without CLONE_VM the child has
    // a copy of our memory, and this program has one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &mut args, size) };
    let pid = Errno::result(pid)?;
    Ok((pid != 0).then(|| Pid::from_raw(pid as i32)))
}

/// Installs a filter that was compiled before: an array of struct sock_filter.
pub fn seccomp(program: &[u8]) -> Result<(), Errno> {
    let filter = libc::sock_fprog {
        len: (program.len() / size_of::<libc::sock_filter>()) as u16,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the kernel reads `len` instructions, which lie in `program`; it does not write.
    let set =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &filter) };
    Errno::result(set).map(drop)
}

/// Drops a capability from the bounding set.
pub fn drop_bounding(capability: u8) -> Result<(), Errno> {
    // SAFETY: integers go in, nothing is written.
    Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)) })
        .map(drop)
}

/// Sets the effective and permitted capabilities, and no inheritable ones.
pub fn set_capabilities(mask: u64) -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let (low, high) = (mask as u32, (mask >> 32) as u32);
    let data = [low, low, 0, high, high, 0];
    // SAFETY: header and data have the layout of version 3: two words, and twice three words.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    Errno::result(set).map(drop)
}

/// Becomes a program without environment. Returns only when that failed.
pub fn execve(path: &CStr, argument: &CStr) -> Errno {
    let argv = [path.as_ptr(), argument.as_ptr(), ptr::null()];
    let envp = [ptr::null()];
    // SAFETY: both arrays end with null and live until the call has failed.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Errno::last()
}

/// Waits for a child: how it ended, and how many KiB of memory it had at most.
pub fn wait4(pid: Pid) -> Result<(i32, u64), Errno> {
    let mut status = 0;
    // SAFETY: rusage is a struct of integers, for which all bits zero is a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: both places outlive the call.
    let waited = unsafe { libc::wait4(pid.as_raw(), &mut status, 0, &mut usage) };
    Errno::result(waited)?;
    Ok((status, usage.ru_maxrss as u64))
}
