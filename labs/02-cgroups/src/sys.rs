//! The system calls that nix does not wrap. All `unsafe` of this lab is in this file.
//!
//! # Safety
//! Every function here is safe to call.
#![allow(unsafe_code, reason = "system calls without a wrapper, each with its reason")]

use std::{
    ffi::CStr,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use ground::Errno;

/// Closes every descriptor from `first` on (man 2 close_range). For a program that has just begun
/// and owns none of them.
pub fn close_from(first: u32) {
    // SAFETY: no memory is passed. The one caller is the first line of a program, before anything
    // of it has opened a file.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// The extended attribute `name` of a file, up to 512 bytes (man 2 getxattr).
pub fn attribute(path: &CStr, name: &CStr) -> Option<Vec<u8>> {
    let mut value = vec![0; 512];
    // SAFETY: both strings end with NUL, and the kernel writes at most the length that is passed.
    let length = unsafe {
        libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    value.truncate(usize::try_from(length).ok()?);
    Some(value)
}

/// Gives a file an extended attribute, in place of the one of that name (man 2 setxattr).
pub fn set_attribute(path: &CStr, name: &CStr, value: &[u8]) -> Result<(), Errno> {
    // SAFETY: both strings end with NUL, and the value is read up to its own length.
    let set = unsafe {
        libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
    };
    Errno::result(set).map(drop)
}

/// Takes an extended attribute off a file (man 2 removexattr).
pub fn remove_attribute(path: &CStr, name: &CStr) -> Result<(), Errno> {
    // SAFETY: both strings end with NUL and outlive the call.
    Errno::result(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}

/// One instruction of eBPF (linux/bpf.h, struct bpf_insn).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Class, operation and where the operand is.
    pub code: u8,
    /// The register it works on in the low half, the one it reads in the high half.
    pub registers: u8,
    /// How far a jump goes, or where in memory a load reads.
    pub offset: i16,
    /// The constant.
    pub immediate: i32,
}

/// Has a program judge every device that a process of a v2 control group opens; it stays for as
/// long as the group (man 2 bpf).
pub fn attach_device_filter(group: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Errno> {
    const BPF_PROG_LOAD: i32 = 5;
    const BPF_PROG_ATTACH: i32 = 8;
    const BPF_PROG_TYPE_CGROUP_DEVICE: u64 = 15;
    const BPF_CGROUP_DEVICE: u64 = 6;
    const BPF_F_ALLOW_MULTI: u64 = 2;
    let license = c"GPL";
    // union bpf_attr, as 64-bit words: two 32-bit fields are one word, the first in the low half.
    let load: [u64; 8] = [
        (program.len() as u64) << 32 | BPF_PROG_TYPE_CGROUP_DEVICE,
        program.as_ptr() as u64,
        license.as_ptr() as u64,
        0,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: `load` is a bpf_attr of the size that is passed; what it points at lives until the
    // call has returned, and the kernel only reads it.
    let loaded =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, load.as_ptr(), size_of_val(&load)) };
    let loaded = Errno::result(loaded)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    let loaded = unsafe { OwnedFd::from_raw_fd(loaded) };
    let attach: [u64; 2] = [
        (loaded.as_raw_fd() as u64) << 32 | group.as_raw_fd() as u64,
        BPF_F_ALLOW_MULTI << 32 | BPF_CGROUP_DEVICE,
    ];
    // SAFETY: `attach` is a bpf_attr of the size that is passed, with two descriptors in it.
    let attached = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, attach.as_ptr(), size_of_val(&attach))
    };
    Errno::result(attached).map(drop)
}
