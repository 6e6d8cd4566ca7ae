//! The low-level runtime: a bundle directory in, a process out.
fn main() {}
