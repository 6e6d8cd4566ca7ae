//! The low-level runtime: a bundle directory in, a process out.
//!
//! An engine starts it four times for each container, so it begins where a C program begins.
#![no_main]

#[path = "main/sys.rs"]
mod sys;

use std::ffi::{OsString, c_int};

fn run(words: impl Iterator<Item = OsString>) -> c_int {
    mini_runc::main(words).into()
}
