//! chroot, pivot_root and a root file system made from the host's own programs.
fn main() {}
