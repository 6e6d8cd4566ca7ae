//! The registry: where images come from and go to, over HTTP.
//!
//! `client` asks, `server` answers; both speak the OCI distribution specification and neither
//! knows the other. What moves between them and the store is [`crate::transfer`]'s business.

pub mod client;
pub mod server;
