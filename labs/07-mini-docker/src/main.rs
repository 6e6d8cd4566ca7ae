//! mini-docker: pull, run, commit, push; everything above a bundle.
fn main() {}
