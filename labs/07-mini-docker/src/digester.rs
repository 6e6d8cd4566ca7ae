//! Digester: bytes in, digest out.
//!
//! The one place that knows a hash function's implementation, so that another one is a change of
//! this file. Without SHA instructions in the processor, this is what a pull spends its time on.

use oci::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha512};

/// Computes a digest from bytes that come piece by piece.
#[derive(Debug, Clone)]
pub struct Digester(Hash);

#[derive(Debug, Clone)]
enum Hash {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Digester {
    /// Nothing hashed yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Hash::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hash::Sha512(Sha512::new()),
        })
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Hash::Sha256(hash) => hash.update(bytes),
            Hash::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all bytes so far.
    #[allow(clippy::expect_used, reason = "a hash function's output has its own length")]
    pub fn finish(self) -> Digest {
        match self.0 {
            Hash::Sha256(hash) => Digest::from_hash(Algorithm::Sha256, &hash.finalize()),
            Hash::Sha512(hash) => Digest::from_hash(Algorithm::Sha512, &hash.finalize()),
        }
        .expect("32 and 64 bytes")
    }
}

/// The SHA-256 digest of `bytes`; what [`oci::chain_id`] asks for.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut digester = Digester::new(Algorithm::Sha256);
    digester.update(bytes);
    digester.finish()
}
