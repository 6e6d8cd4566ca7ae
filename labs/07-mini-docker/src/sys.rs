//! The system calls that nix does not wrap. All `unsafe` of this package is in this file.
//!
//! # Safety
//! Every function here is safe to call: it passes integers, and structs that outlive the call.
#![allow(unsafe_code, reason = "ioctl(2) has no safe wrapper")]

use std::{
    io, mem,
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use nix::errno::Errno;
use tokio::io::unix::AsyncFd;

/// The size of a terminal, rows and columns (man 2 TIOCGWINSZ).
///
/// # Errors
/// ENOTTY when it is none.
pub fn window_size(terminal: impl AsFd) -> Result<(u16, u16), Errno> {
    // SAFETY: winsize is a struct of integers, for which all bits zero is a value.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes a winsize, which outlives the call.
    let got = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
    Errno::result(got)?;
    Ok((size.ws_row, size.ws_col))
}

/// Sets the size of a terminal; its foreground processes get SIGWINCH.
///
/// # Errors
/// ENOTTY when it is none.
pub fn set_window_size(terminal: impl AsFd, rows: u16, columns: u16) -> Result<(), Errno> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads a winsize, which outlives the call.
    let set = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &size) };
    Errno::result(set).map(drop)
}

/// How far the clock of this machine is from UTC at a time, in seconds, and the name of that zone
/// (man 3 localtime_r).
pub fn local_time(seconds: i64) -> (i64, String) {
    // SAFETY: tm is a struct of integers and a pointer, for which all bits zero is a value.
    let mut local: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: one integer is read and a tm written; both outlive the call.
    let known = unsafe { libc::localtime_r(&seconds, &mut local) };
    if known.is_null() || local.tm_zone.is_null() {
        return (0, "UTC".into());
    }
    // SAFETY: localtime_r has set it to a text that the C library keeps.
    let zone = unsafe { std::ffi::CStr::from_ptr(local.tm_zone) };
    (local.tm_gmtoff, zone.to_string_lossy().into_owned())
}

/// Takes a descriptor that came with a message (man 7 unix, SCM_RIGHTS), or over execve(2) from the
/// program that we were before.
pub(crate) fn own(fd: std::os::fd::RawFd) -> std::os::fd::OwnedFd {
    // SAFETY: nobody else owns it: the kernel has just made it for us, from a message that nobody
    // else reads, or the program that owned it is no more.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) }
}

/// A descriptor by its number, for one call.
pub(crate) fn borrow(fd: std::os::fd::RawFd) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: the numbers come from owners that end only with this program.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

/// Lets the kernel kill the command's process when we die (man 2 PR_SET_PDEATHSIG). The setting
/// survives execve(2) and is not inherited by children.
pub(crate) fn dies_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let set = move || {
        // SAFETY: two integers go in.
        let done = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        Errno::result(done)?;
        // We may have died before the call: then nobody will ever send the signal.
        if std::os::unix::process::parent_id() == parent { Ok(()) } else { Err(gone()) }
    };
    // SAFETY: between fork(2) and execve(2) only prctl(2) and getppid(2) are called, which are
    // async-signal-safe; nothing allocates.
    unsafe { command.pre_exec(set) };
}

// ANCHOR: send_signal
/// Sends a signal by its number, also one without a name (man 2 kill). That there is nobody left to
/// get it is no error.
pub fn send_signal(pid: nix::unistd::Pid, number: i32) {
    // SAFETY: two integers go in.
    let _ = unsafe { libc::kill(pid.as_raw(), number) };
}
// ANCHOR_END: send_signal

/// Lets the command's process get the signals that we block: it inherits the mask.
pub fn takes_signals(command: &mut Command) {
    let set = || {
        let none = nix::sys::signal::SigSet::empty();
        nix::sys::signal::sigprocmask(nix::sys::signal::SigmaskHow::SIG_SETMASK, Some(&none), None)
            .map_err(io::Error::from)
    };
    // SAFETY: between fork(2) and execve(2) only sigprocmask(2) is called, which is
    // async-signal-safe; nothing allocates.
    unsafe { command.pre_exec(set) };
}

/// Gives memory that is free back to the kernel (man 3 malloc_trim).
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: an integer goes in; the allocator looks after its own lists.
    unsafe {
        libc::malloc_trim(0)
    };
}

fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::ESRCH)
}

/// A descriptor that an event loop of tokio's watches, until it is dropped.
///
/// # Errors
/// Outside of an event loop; EPERM for a file that epoll(7) does not know.
pub(crate) fn watched(fd: std::os::fd::OwnedFd) -> io::Result<AsyncFd<std::os::fd::OwnedFd>> {
    // SAFETY: an OwnedFd gives the same open descriptor for as long as it lives, and the AsyncFd
    // owns it.
    unsafe { AsyncFd::register(fd) }.map_err(|error| error.into_parts().1)
}
