//! mini-docker-runtime: mini-runc as `mini-docker` executes it, four times for each container. It is
//! small, linked statically, and begins where a C program begins; and it was built together with the
//! engine that lies beside it.
#![no_main]

#[path = "../../mini-runc/src/main/sys.rs"]
mod sys;

use std::ffi::{OsString, c_int};

fn run(words: impl Iterator<Item = OsString>) -> c_int {
    mini_runc::main(words).into()
}
