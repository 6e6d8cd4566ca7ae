//! Digester: bytes in, digest out.
//!
//! The one place that knows a hash function's implementation, so that another one is a change of
//! this file. Where the processor has no instructions for SHA, hashing is what a pull spends most of
//! its time on: ring's assembly is then twice as fast as plain Rust, and TLS brings it along.

use std::fmt;

use oci::{Algorithm, Digest};
use ring::digest::{Context, SHA256, SHA512};

/// Computes a digest from bytes that come piece by piece.
#[derive(Clone)]
pub struct Digester {
    algorithm: Algorithm,
    context: Context,
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Digester {
    /// Nothing hashed yet.
    pub fn new(algorithm: Algorithm) -> Self {
        let function = match algorithm {
            Algorithm::Sha256 => &SHA256,
            Algorithm::Sha512 => &SHA512,
        };
        Self { algorithm, context: Context::new(function) }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of all bytes so far.
    #[allow(clippy::expect_used, reason = "a hash function's output has its own length")]
    pub fn finish(self) -> Digest {
        let hash = self.context.finish();
        Digest::from_hash(self.algorithm, hash.as_ref()).expect("32 and 64 bytes")
    }
}

/// The SHA-256 digest of `bytes`; what [`oci::chain_id`] asks for.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut digester = Digester::new(Algorithm::Sha256);
    digester.update(bytes);
    digester.finish()
}
