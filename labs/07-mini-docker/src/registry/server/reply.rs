//! Reply: an answer before it becomes HTTP, and a refusal with the specification's code.
//!
//! Source: distribution specification, "Error Codes".

use std::{fs::File, io};

use axum::http::HeaderName;
use serde::Serialize;
use serde_json::json;

use crate::store;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(HeaderName, String)>,
    pub content: Content,
}

/// What is in an answer.
#[derive(Debug)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// `length` bytes of the file from where it stands.
    File {
        file: File,
        length: u64,
    },
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

impl Reply {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Bytes(Vec::new()) }
    }

    pub(super) fn json(status: u16, value: &impl Serialize) -> Self {
        // Our own types always serialise; an empty body would still be an honest answer.
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        Self { content: Content::Bytes(bytes), ..Self::empty(status) }
            .header(axum::http::header::CONTENT_TYPE, "application/json")
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// The codes that clients understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Unsupported,
    Unknown,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unsupported => "UNSUPPORTED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: Code,
    pub message: String,
    pub headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    /// The method is none of this resource's.
    pub(super) fn method() -> Self {
        Self::new(405, Code::Unsupported, "the operation is unsupported")
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let error = json!({ "code": refusal.code.as_str(), "message": refusal.message });
        let mut reply = Self::json(refusal.status, &json!({ "errors": [error] }));
        reply.headers.extend(refusal.headers);
        reply
    }
}

impl From<store::Error> for Refusal {
    /// What the client sent wrongly is told; what is wrong here is told as well, since whoever runs
    /// a registry of this kind is the one who asks it.
    fn from(error: store::Error) -> Self {
        let (status, code) = match error.kind {
            store::Kind::NotFound => (404, Code::BlobUnknown),
            store::Kind::Invalid => (400, Code::DigestInvalid),
            store::Kind::Ambiguous | store::Kind::Busy | store::Kind::Disk => (500, Code::Unknown),
        };
        let why = error.report.why.map(|why| format!(": {why}")).unwrap_or_default();
        Self::new(status, code, error.report.what + &why)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(500, Code::Unknown, error.to_string())
    }
}
