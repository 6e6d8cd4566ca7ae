//! The system calls that nix does not wrap. All `unsafe` of this crate is in this file and its room.
//!
//! # Safety
//! Every function here is safe to call: each passes the kernel pointers to values that outlive the
//! call, or plain integers.
#![allow(unsafe_code, reason = "system calls without a wrapper, each with its reason")]

mod notify;
mod schedule;

pub use notify::{eventfd, watch_changes};
pub use schedule::{SchedAttr, ioprio_set, sched_setattr, set_mempolicy};

use std::{
    ffi::{CStr, CString, c_char},
    mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use nix::{errno::Errno, unistd::Pid};

type Done = Result<(), Errno>;

unsafe extern "C" {
    /// The environment as the kernel gave it (man 7 environ).
    static environ: *const *const c_char;
}

/// Becomes the program that is open here, with the environment that we have ourselves (man 2
/// execveat). Returns only when that failed.
pub fn become_open(program: BorrowedFd<'_>, args: &[CString]) -> Errno {
    let argv: Vec<_> = args.iter().map(|it| it.as_ptr()).chain([ptr::null()]).collect();
    // SAFETY: a pointer is read that only setenv(3) changes, which nobody calls here.
    let environment = unsafe { environ };
    let (fd, here, flags) = (program.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH);
    // SAFETY: both arrays end with null, and live, with the strings in them, until the call failed.
    unsafe { libc::syscall(libc::SYS_execveat, fd, here, argv.as_ptr(), environment, flags) };
    Errno::last()
}

// ANCHOR: cloexec
/// Marks every descriptor from `first` on as not surviving exec (man 2 close_range).
pub fn cloexec_from(first: u32) -> Done {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: only integers go in; with this flag nothing is closed now.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    Errno::result(marked).map(drop)
}

/// Marks one descriptor as not surviving exec; one that is not open is fine.
pub fn cloexec(fd: RawFd) {
    // SAFETY: F_SETFD takes an integer and changes a flag only.
    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
}
// ANCHOR_END: cloexec

/// Sets the NIS domain name of the UTS namespace (man 2 setdomainname).
pub fn setdomainname(name: &CStr) -> Done {
    let length = name.to_bytes().len();
    // SAFETY: the pointer is to `length` bytes that outlive the call.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr(), length) }).map(drop)
}

/// The three sets that capset(2) sets, one bit a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapSets {
    /// What may be used now.
    pub effective: u64,
    /// What may become effective.
    pub permitted: u64,
    /// What survives the exec of a file that says so.
    pub inheritable: u64,
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3: two words a set.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Sets the caller's three sets (man 2 capset).
pub fn capset(sets: CapSets) -> Done {
    let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let word = |shift: u32| CapData {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [word(0), word(32)];
    // SAFETY: version 3 reads one header and two data structs, laid out as in linux/capability.h.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) }).map(drop)
}

/// Makes the caller's effective set what its permitted set is (man 2 capset).
pub fn raise_permitted() -> Done {
    let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [CapData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: version 3 writes two data structs, laid out as in linux/capability.h.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &header, data.as_mut_ptr()) })?;
    data.iter_mut().for_each(|word| word.effective = word.permitted);
    // SAFETY: version 3 reads one header and two data structs.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) }).map(drop)
}

/// Removes a capability from the bounding set for good (man 2 PR_CAPBSET_DROP).
pub fn drop_bounding(capability: u8) -> Done {
    prctl(libc::PR_CAPBSET_DROP, capability.into())
}

/// Empties the ambient set (man 2 PR_CAP_AMBIENT).
pub fn clear_ambient() -> Done {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64)
}

/// Adds a capability to the ambient set; it must be permitted and inheritable.
pub fn raise_ambient(capability: u8) -> Done {
    let (what, raise) = (libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64);
    // SAFETY: only integers go in.
    Errno::result(unsafe { libc::prctl(what, raise, u64::from(capability), 0u64, 0u64) }).map(drop)
}

fn prctl(what: i32, argument: u64) -> Done {
    // SAFETY: the two operations above take one integer, and demand that the rest is 0.
    Errno::result(unsafe { libc::prctl(what, argument, 0u64, 0u64, 0u64) }).map(drop)
}

/// Lets the filter judge every later system call of this thread (man 2 seccomp).
///
/// EACCES without no_new_privs or CAP_SYS_ADMIN.
pub fn seccomp_filter(program: &[libc::sock_filter], flags: u64) -> Done {
    let fprog = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    let operation = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel copies `len` instructions from `filter` and writes to neither.
    Errno::result(unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &fprog) }).map(drop)
}

/// Whether this kernel has these flags of seccomp(2): without a program it gets no further than to
/// look at them.
pub fn knows_seccomp_flags(flags: u64) -> bool {
    let nothing = std::ptr::null::<libc::sock_fprog>();
    let operation = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel refuses a null program with EFAULT before anything is changed.
    let set = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, nothing) };
    Errno::result(set) == Err(Errno::EFAULT)
}

/// Gives this process a session keyring of its own (man 2 keyctl).
pub fn new_session_keyring() -> Done {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring.
    let made = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) };
    Errno::result(made).map(drop)
}

/// Sets the execution domain (man 2 personality).
pub fn personality(domain: u64) -> Done {
    // SAFETY: one integer goes in.
    Errno::result(unsafe { libc::personality(domain) }).map(drop)
}

/// Unlocks a new pseudo-terminal and opens its other side, without a path (man 2 ioctl_tty).
pub fn open_terminal_of(ptmx: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int, which outlives the call.
    Errno::result(unsafe { libc::ioctl(ptmx.as_raw_fd(), libc::TIOCSPTLCK, &unlocked) })?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags and returns a new descriptor or -1.
    let fd = unsafe { libc::ioctl(ptmx.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a terminal the controlling one of the caller's session (man 2 ioctl_tty).
pub fn set_controlling_terminal(terminal: BorrowedFd<'_>) -> Done {
    // SAFETY: TIOCSCTTY takes an integer: 0 does not steal.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}

/// Sets a terminal's size in characters.
pub fn set_terminal_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> Done {
    // SAFETY: winsize is a struct of integers, for which all bits zero is a value.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    size.ws_row = rows;
    size.ws_col = columns;
    // SAFETY: TIOCSWINSZ reads a winsize, which outlives the call.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) }).map(drop)
}

/// A terminal's size in characters: rows, columns.
pub fn terminal_size(terminal: BorrowedFd<'_>) -> Result<(u16, u16), Errno> {
    // SAFETY: winsize is a struct of integers, for which all bits zero is a value.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes a winsize, which outlives the call.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &mut size) })?;
    Ok((size.ws_row, size.ws_col))
}

/// fork(2) for a hook. The child may only exec or end.
pub fn fork_and(child: impl FnOnce()) -> Result<Pid, Errno> {
    // SAFETY: the steps run in a process with a single thread (namespaces::Spawn checks that), so
    // no lock in the copy is held; the child ends below in any case.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(child),
        nix::unistd::ForkResult::Child => {
            child();
            // SAFETY: _exit(2) is async-signal-safe and does not return.
            unsafe { libc::_exit(127) }
        }
    }
}

/// Sends a descriptor through a unix socket (man 7 unix, SCM_RIGHTS). nix's way allocates.
pub fn send_descriptor(socket: BorrowedFd<'_>, sent: BorrowedFd<'_>) -> Done {
    // The kernel aligns control messages to 8 bytes.
    #[repr(C, align(8))]
    struct Control([u8; 24]);
    let mut control = Control([0; 24]);
    let mut byte = 0u8;
    let mut part = libc::iovec { iov_base: std::ptr::from_mut(&mut byte).cast(), iov_len: 1 };
    // SAFETY: msghdr is a struct of integers and pointers, for which all bits zero is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    let header = libc::cmsghdr {
        // SAFETY: CMSG_LEN computes a number.
        cmsg_len: unsafe { libc::CMSG_LEN(size_of::<RawFd>() as u32) } as usize,
        cmsg_level: libc::SOL_SOCKET,
        cmsg_type: libc::SCM_RIGHTS,
    };
    let start = control.0.as_mut_ptr();
    // SAFETY: a header of 16 bytes fits at the start of the 24, which are aligned for it.
    unsafe { start.cast::<libc::cmsghdr>().write(header) };
    control.0[16..20].copy_from_slice(&sent.as_raw_fd().to_ne_bytes());
    // SAFETY: all that `message` points at lives until the call has returned.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) };
    Errno::result(sent).map(drop)
}

/// One of the descriptors 0, 1 and 2.
pub fn stream(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: std opens /dev/null for those of the three that were closed when the program began,
    // and nothing here closes them.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Gives all signals their default action. What cannot be changed, SIGKILL and SIGSTOP, has it; the C
/// library keeps 32 and 33 to itself, and lets nobody ignore them.
pub fn default_signals() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: an integer and a constant go in.
        let _ = unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// The working directory's path in `buffer`; its length comes back. std's way allocates, and
/// glibc's own tries to make up for what this is to notice.
pub fn getcwd(buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: at most `len` bytes are written to `buffer`.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    Errno::result(length).map(|length| length as usize)
}

/// Sends any signal, also one that has only a number, to the process behind a descriptor (man 2
/// pidfd_send_signal).
pub fn pidfd_send_signal(process: BorrowedFd<'_>, signal: i32) -> Done {
    let (number, nothing) = (process.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: a null siginfo means the one that kill(2) would send.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, number, signal, nothing, 0) };
    Errno::result(sent).map(drop)
}

/// A descriptor that stands for process `pid`, for steps: it allocates nothing when it fails.
pub fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: two integers go in, a new descriptor or -1 comes out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = Errno::result(fd)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes a descriptor that only this copy of the process has no use for: the child's of what its
/// parent keeps. One that is not open is fine.
pub fn close(number: RawFd) {
    // SAFETY: the callers are children right before exec, in which nothing owns `number`.
    unsafe { libc::close(number) };
}

/// A descriptor of another process as one of ours (man 2 pidfd_getfd).
pub fn pidfd_getfd(process: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: three integers go in, a new descriptor or -1 comes out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    Errno::result(fd).map(|fd| own(fd as RawFd))
}

/// Takes a descriptor that a call has just made for us.
pub fn own(made: RawFd) -> OwnedFd {
    // SAFETY: both callers pass what the kernel has just returned to them and to nobody else.
    unsafe { OwnedFd::from_raw_fd(made) }
}
