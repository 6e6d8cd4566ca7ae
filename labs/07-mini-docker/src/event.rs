//! Event: what happens while it happens, as data.
//!
//! The rooms that do the work say only facts; the command line makes a progress bar of them, the
//! API a stream of JSON, and a test a list to compare. So no event holds a sentence.

use std::time::Duration;

use oci::{Digest, Reference};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A name is being looked up in its registry.
    Resolving {
        /// The name.
        reference: Reference,
    },
    /// The name led to a manifest, and for an index to one of its entries.
    Resolved {
        /// The name.
        reference: Reference,
        /// What the registry answered with: a manifest or an index.
        target: Digest,
        /// The manifest of the image for the wanted platform; the same if there was no index.
        manifest: Digest,
        /// Its config.
        config: Digest,
    },
    /// A blob starts to move.
    BlobStarted {
        /// Which one.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
        /// Bytes that are there from an earlier try.
        offset: u64,
    },
    /// A blob has moved up to here.
    BlobProgress {
        /// Which one.
        digest: Digest,
        /// Bytes that are there now.
        done: u64,
    },
    /// The transfer broke off and will be tried again.
    BlobRetry {
        /// Which one.
        digest: Digest,
        /// The try that failed, from 1.
        attempt: u32,
        /// How long we wait before the next.
        wait: Duration,
        /// What went wrong.
        error: ground::Error,
    },
    /// A blob is whole, checked and visible on the other side.
    BlobDone {
        /// Which one.
        digest: Digest,
        /// Bytes that were moved for it, all tries together.
        moved: u64,
    },
    /// A blob was there already; nothing moved.
    BlobPresent {
        /// Which one.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
    },
    /// The registry took the blob over from another of its repositories; nothing moved.
    BlobMounted {
        /// Which one.
        digest: Digest,
        /// The repository it was in.
        from: String,
    },
    /// A layer is being unpacked.
    Unpacking {
        /// The packed layer.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
    },
    /// A layer is unpacked, whole and checked.
    Unpacked {
        /// The packed layer.
        digest: Digest,
    },
    /// A name now leads to this manifest.
    Tagged {
        /// The name.
        reference: Reference,
        /// The manifest.
        manifest: Digest,
    },
}

impl Event {
    /// The blob that it is about.
    pub fn blob(&self) -> Option<&Digest> {
        match self {
            Self::BlobStarted { digest, .. }
            | Self::BlobProgress { digest, .. }
            | Self::BlobRetry { digest, .. }
            | Self::BlobDone { digest, .. }
            | Self::BlobPresent { digest, .. }
            | Self::BlobMounted { digest, .. }
            | Self::Unpacking { digest, .. }
            | Self::Unpacked { digest } => Some(digest),
            Self::Resolving { .. } | Self::Resolved { .. } | Self::Tagged { .. } => None,
        }
    }
}
