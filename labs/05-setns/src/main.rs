//! Joining the namespaces of a running process.
fn main() {}
