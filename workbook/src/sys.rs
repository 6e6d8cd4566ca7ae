//! What ptrace(2) says of a call: a union that its tag explains. All `unsafe` of the workbook is here.
#![allow(unsafe_code, reason = "a union is read by its tag")]

use nix::{Result, sys::ptrace, unistd::Pid};

/// A stop at a system call (man 2 ptrace, PTRACE_GET_SYSCALL_INFO).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyscallStop {
    /// It is about to be made: its number and arguments.
    Entry(u64, [u64; 6]),
    /// It was made, and returns this.
    Exit(i64),
    /// Something else.
    Other,
}

/// What the tracee is at. The same on every architecture.
pub fn syscall_stop(pid: Pid) -> Result<SyscallStop> {
    let info = ptrace::syscall_info(pid)?;
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: `op` says that the kernel has filled in `entry`.
            let entry = unsafe { info.u.entry };
            SyscallStop::Entry(entry.nr, entry.args)
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: `op` says that the kernel has filled in `exit`.
            let exit = unsafe { info.u.exit };
            SyscallStop::Exit(exit.sval)
        }
        _ => SyscallStop::Other,
    })
}
