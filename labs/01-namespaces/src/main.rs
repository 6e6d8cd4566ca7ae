//! Namespaces and clone flags: the eight kinds, clone3, id maps, pidfds.
fn main() {}
