//! Lab 01: namespaces and clone flags.
fn main() {}
