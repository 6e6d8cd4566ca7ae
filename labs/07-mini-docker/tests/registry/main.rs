//! The registry, from both sides: our client against our server, against Debian's docker-registry,
//! against servers that fail in every way we know; skopeo against our server. All on loopback.

#![allow(missing_docs, reason = "a test's name is its sentence")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it was skipped"
)]

mod api;
mod commands;
mod cuts;
mod fault_server;
mod faults;
mod helpers;
mod login;
mod mirrors;
mod peers;
mod round_trip;
mod settings;
mod tls;
mod world;
