//! The engine, from the command line: images and containers on a real kernel, hostile layers, and
//! death at any moment.

#![allow(missing_docs, reason = "a test's name is its sentence")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod archive;
mod archive_peers;
mod check;
mod containers;
mod copy;
mod crowd;
mod full;
mod hostile;
mod killed;
mod lifecycle;
mod look;
mod networks;
mod networks_shared;
mod networks_user;
mod options;
mod places;
mod progress;
mod shells;
mod strangers;
mod streams;
mod texts;
mod world;
mod xray;

const BIN: &str = env!("CARGO_BIN_EXE_mini-docker");
