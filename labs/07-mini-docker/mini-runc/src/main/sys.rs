//! The first function of the program, which the C library calls by its name.
//!
//! Rust's own beginning (std::rt) would come between. It looks through /proc/self/maps to be able to
//! say that the stack overflowed, and that takes a third as long as it takes a static program to begin
//! and end. What we need of it is here: the arguments, a SIGPIPE that is an error, and no closed
//! standard stream.
//!
//! # Safety
//! The C library hands over `argc` strings, which stay for as long as the process. Only integers and
//! one constant string are passed to it.
#![allow(unsafe_code, reason = "a name for the linker, and calls before anything is there")]
#![allow(clippy::exit, reason = "it writes out what is still in the buffer of standard output")]

#[cfg(target_arch = "x86_64")]
#[path = "sys/first.rs"]
mod first;

use std::{
    ffi::{CStr, OsStr, OsString, c_char, c_int},
    os::unix::ffi::OsStrExt,
    process, slice,
};

// SAFETY: there is no other `main`, and this one has the type that the C library expects.
#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    fill_standard_streams();
    // SAFETY: no handler of ours is called.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // SAFETY: as the module says.
    let words = unsafe { slice::from_raw_parts(argv, argc as usize) };
    process::exit(super::run(words.iter().map(|word| owned(*word))))
}

/// One of the strings that `main` was handed.
fn owned(word: *const c_char) -> OsString {
    // SAFETY: as the module says.
    let word = unsafe { CStr::from_ptr(word) };
    OsStr::from_bytes(word.to_bytes()).to_owned()
}

/// Opens /dev/null for each standard stream that our caller has closed: the next file that is opened
/// would get its number, and be written to as if it were the stream.
fn fill_standard_streams() {
    for stream in 0..3 {
        // SAFETY: F_GETFD takes no argument and changes nothing.
        let is_open = unsafe { libc::fcntl(stream, libc::F_GETFD) } != -1;
        // SAFETY: the string ends with a NUL byte.
        if !is_open && unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } != stream {
            process::abort();
        }
    }
}
