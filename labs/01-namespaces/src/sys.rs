//! The system calls that nix does not wrap. All `unsafe` of this lab is in this file.
//!
//! # Safety
//! Every function here is safe to call. What clone3(2) asks of its caller, that no other thread
//! holds a lock that the child would find locked for ever, is the proof [`Alone`] that it takes.
#![allow(unsafe_code, reason = "system calls without a wrapper, each with its reason")]

use std::{
    ffi::{CStr, CString, c_char},
    fs, io, mem,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::fs::MetadataExt,
    },
    ptr,
};

use nix::{errno::Errno, sys::signal::Signal, unistd::Pid};

/// libc's constant of this name is 0: the flag has 33 bits and libc's type has 32.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Both sides of a clone3(2).
pub enum Cloned {
    /// We are the child, and alone as well: only the thread that calls is copied.
    Child(Alone),
    /// We are the parent of this process.
    Parent { pid: Pid, pidfd: OwnedFd },
}

/// The proof that this process has a single thread. It cannot be kept while others are started,
/// because [`clone3`] takes it away.
#[derive(Debug)]
pub struct Alone(());

impl Alone {
    /// The proof, or `None` when there are other threads. A directory has a link for its name, for
    /// its own `.`, and for the `..` of each directory in it, and here there is one a thread
    /// (`proc_task_getattr` in fs/proc/base.c).
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn check() -> io::Result<Option<Self>> {
        let links = fs::metadata("/proc/self/task")?.nlink();
        Ok((links == 3).then_some(Self(())))
    }
}

// ANCHOR: clone3
/// Makes a process with `flags`, in the v2 control group `cgroup` if given (man 2 clone3).
///
/// The child is a whole copy of a process with one thread, as after fork(2): it may do anything,
/// but it shares the parent's descriptors and unwritten buffers and should exec or exit soon.
pub fn clone3(alone: Alone, flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is a struct of integers, for which all bits zero is a value.
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    // ANCHOR: clone3_args
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // ANCHOR_END: clone3_args
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let size = size_of_val(&args);
    // SAFETY: `args` outlives the call and its true size is passed. Without CLONE_VM the child has
    // a copy of our memory, as after fork(2), and `alone` says that no lock in it is held by a
    // thread that was not copied; with stack 0 it goes on on its copy of our stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &mut args, size) };
    match Errno::result(pid)? {
        0 => Ok(Cloned::Child(alone)),
        pid => {
            // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid: Pid::from_raw(pid as i32), pidfd })
        }
    }
}
// ANCHOR_END: clone3

/// Forks in a child of [`clone3`]; the newcomer gets our parent, not us, as its parent. Returns its
/// PID to us and `None` to it (man 2 clone3, CLONE_PARENT).
pub fn fork_sibling(_alone: &Alone) -> Result<Option<Pid>, Errno> {
    // SAFETY: clone_args is a struct of integers, for which all bits zero is a value.
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    // The exit signal comes with the parent; naming one would be EINVAL.
    args.flags = libc::CLONE_PARENT as u64;
    let size = size_of_val(&args);
    // SAFETY: `args` outlives the call and its true size is passed. Without CLONE_VM the newcomer
    // has a copy of our memory, as after fork(2), and `_alone` says that no lock in it is held by a
    // thread that was not copied.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &mut args, size) };
    let pid = Errno::result(pid)?;
    Ok((pid != 0).then(|| Pid::from_raw(pid as i32)))
}

/// A descriptor that stands for process `pid` for as long as it is open (man 2 pidfd_open).
pub fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: two integers go in, a new descriptor or -1 comes out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = Errno::result(fd)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Signals the process behind `pidfd`, and no other that may have got its number (man 2
/// pidfd_send_signal).
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), Errno> {
    let no_siginfo = ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed and means "as kill(2)".
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal as i32, no_siginfo, 0)
    };
    Errno::result(sent).map(drop)
}

/// An argument or environment vector as execve(2) wants it: pointers to strings, null at the end.
/// It is prepared while allocation is still allowed.
#[derive(Debug)]
pub struct Vector {
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Vector {
    /// The vector of these strings.
    pub fn new(strings: Vec<CString>) -> Self {
        // A CString's bytes are on the heap and stay where they are when the struct moves.
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Self { pointers, _strings: strings }
    }
}

/// Becomes the program `path` (man 2 execve). Returns only when that failed.
pub fn execve(path: &CStr, argv: &Vector, envp: &Vector) -> Errno {
    // SAFETY: both arrays end with null and their strings live as long as the arrays.
    unsafe { libc::execve(path.as_ptr(), argv.pointers.as_ptr(), envp.pointers.as_ptr()) };
    Errno::last()
}

/// Gives a signal its default action again: std ignores SIGPIPE, and what is ignored stays ignored
/// across execve(2).
pub fn default_action(signal: Signal) {
    // SAFETY: SIG_DFL installs no code of ours.
    unsafe { libc::signal(signal as i32, libc::SIG_DFL) };
}

/// Ends the process without running anything of ours (man 2 _exit).
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) is async-signal-safe and does not return.
    unsafe { libc::_exit(status) }
}

/// The namespace that `ns`, a namespace itself, is related to; see ioctl_nsfs(2) for the requests.
pub fn ns_ioctl(ns: BorrowedFd<'_>, request: NsRequest) -> Result<OwnedFd, Errno> {
    // SAFETY: the requests of this enum take no argument and return a new descriptor or -1.
    let fd = unsafe { libc::ioctl(ns.as_raw_fd(), request as libc::Ioctl) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Which kind of namespace `ns` is, as its clone flag (man 2 ioctl_nsfs, NS_GET_NSTYPE). ENOTTY for
/// any other file.
pub fn ns_type(ns: BorrowedFd<'_>) -> Result<i32, Errno> {
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: the request takes no argument.
    let flag = unsafe { libc::ioctl(ns.as_raw_fd(), NS_GET_NSTYPE) };
    Errno::result(flag)
}

/// What a clock says, in nanoseconds (man 2 clock_gettime).
pub fn clock_ns(clock: libc::clockid_t) -> Result<i64, Errno> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec that outlives the call.
    let read = unsafe { libc::clock_gettime(clock, &mut now) };
    Errno::result(read)?;
    Ok(now.tv_sec * 1_000_000_000 + now.tv_nsec)
}

// ANCHOR: seccomp_refuse
/// Answers every call of number `call` with `errno`, in this process and all that it becomes (man 2
/// seccomp). An ordinary user must have set no_new_privs before.
pub fn seccomp_refuse(call: libc::c_long, errno: Errno) -> Result<(), Errno> {
    let instruction = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = [
        // The number of the call is the first word of seccomp_data.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32)
        },
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: `filter` names the true length of `program`; both outlive the call, which copies them.
    let set = unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const filter) };
    Errno::result(set).map(drop)
}
// ANCHOR_END: seccomp_refuse

/// Requests of ioctl_nsfs(2) that return a namespace.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum NsRequest {
    /// NS_GET_USERNS: the user namespace that owns it.
    Owner = 0xb701,
    /// NS_GET_PARENT: the PID or user namespace around it.
    Parent = 0xb702,
}

/// Sets the flags of the interface `lo` to up, in the caller's network namespace (man 7
/// netdevice).
pub fn loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: ifreq is a struct of integers and arrays, for which all bits zero is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *to = *from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which outlives the call.
    let set = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) };
    Errno::result(set).map(drop)
}
