//! mini-docker: pull, run, commit, push; everything above a bundle.

pub mod archive;
pub mod bundle;
pub mod container;
pub mod digester;
pub mod engine;
pub mod event;
pub mod events;
pub mod inflate;
pub mod instruction;
pub mod layout;
pub mod network;
pub mod registry;
pub mod runtime;
pub mod snapshot;
pub mod store;
pub mod sys;
pub mod transfer;
pub mod tree;
pub mod volume;
pub mod workers;
pub mod xray;
