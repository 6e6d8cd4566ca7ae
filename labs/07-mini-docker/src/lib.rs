//! mini-docker: pull, run, commit, push; everything above a bundle.

pub mod event;
pub mod layout;
pub mod registry;
pub mod store;
pub mod transfer;
