//! What ptrace(2) says of a call: a union that its tag explains; and what a child does before it is a
//! program. All `unsafe` of the workbook is here.
#![allow(unsafe_code, reason = "a union is read by its tag; a child has no safe wrapper")]

use std::{
    io,
    os::{
        fd::{BorrowedFd, RawFd},
        unix::process::{CommandExt, parent_id},
    },
    process::{Command, id},
};

use nix::{
    Result,
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::{prctl, ptrace, signal::Signal},
    unistd::Pid,
};

/// Lets the kernel kill the command's process when the thread that starts it ends (man 2
/// PR_SET_PDEATHSIG), and lets it inherit `holds`.
pub fn goes_with_us(command: &mut Command, holds: Option<RawFd>) {
    let parent = id();
    let set = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if let Some(fd) = holds {
            // SAFETY: fork(2) has copied it, and only execve(2) closes it.
            fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        // We may have died before the call: then nobody will ever send the signal.
        if parent_id() == parent { Ok(()) } else { Err(io::Error::from(Errno::ESRCH)) }
    };
    // SAFETY: between fork(2) and execve(2) only prctl(2), fcntl(2) and getppid(2) are called, which
    // are async-signal-safe; nothing allocates.
    unsafe { command.pre_exec(set) };
}

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

/// What the tracee is at. `inside`: whether its last stop was the entry of a call.
pub fn syscall_stop(pid: Pid, inside: bool) -> Result<SyscallStop> {
    let info = match ptrace::syscall_info(pid) {
        // User-mode Linux does not have it.
        Err(Errno::EIO) => return by_registers(pid, inside),
        info => info?,
    };
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

/// As it was before Linux 5.3: every other stop is an entry, and the registers say the rest (man 2
/// syscall).
#[cfg(target_arch = "x86_64")]
fn by_registers(pid: Pid, inside: bool) -> Result<SyscallStop> {
    let it = ptrace::getregs(pid)?;
    Ok(match inside {
        true => SyscallStop::Exit(it.rax.cast_signed()),
        false => SyscallStop::Entry(it.orig_rax, [it.rdi, it.rsi, it.rdx, it.r10, it.r8, it.r9]),
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn by_registers(_: Pid, _: bool) -> Result<SyscallStop> {
    Err(Errno::EIO)
}
