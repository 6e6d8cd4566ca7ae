//! The low-level runtime: a bundle directory in, a process out.

use std::process::ExitCode;

fn main() -> ExitCode {
    mini_runc::main(std::env::args_os())
}
