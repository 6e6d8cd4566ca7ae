//! The system calls that nix does not wrap. All `unsafe` of this package is in this file.
//!
//! # Safety
//! Every function here is safe to call: it passes integers, and structs that outlive the call.
#![allow(unsafe_code, reason = "ioctl(2) has no safe wrapper")]

use std::{
    io::{self, IoSliceMut},
    mem,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::Command,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
};
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

/// The descriptor that comes with the next message (man 7 unix, SCM_RIGHTS), if one does. The message
/// itself, a name that nobody needs, is thrown away.
///
/// # Errors
/// As recvmsg(2).
pub(crate) fn receive(socket: &UnixStream) -> Result<Option<OwnedFd>, Errno> {
    let mut text = [0; 4096];
    let mut buffers = [IoSliceMut::new(&mut text)];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut space), flags)?;
    let number = message.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    // SAFETY: recvmsg(2) has just opened it in this process for this very message, which nobody else
    // can read again; nix hands out the number alone.
    Ok(number.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// A descriptor that the program before us has left open over execve(2), by its number. `None` for one
/// of ours: all that this program opens is marked close-on-exec, and what is taken here is so from then
/// on. Standard input, output and errors stay whose they are.
pub(crate) fn inherited(number: RawFd) -> Option<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return None;
    }
    // SAFETY: integers go in, and a flag of the descriptor, if there is one, comes out.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 || flags & libc::FD_CLOEXEC != 0 {
        return None;
    }
    // SAFETY: the missing mark says that it came over execve(2): its owner was in a program that is no
    // more. The mark that it gets now keeps a second call from taking it.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    Some(fd)
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
