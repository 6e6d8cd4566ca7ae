//! The store's error: what a caller branches on, and the report for the person.

use std::{
    fmt,
    io::{self, ErrorKind},
};

use oci::Descriptor;

/// What the store's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was, for callers that do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is no such blob or image.
    NotFound,
    /// A short ID fits several images.
    Ambiguous,
    /// The content is not what its digest or its size promised, or is no document at all.
    Invalid,
    /// Somebody is adding content, so nothing can be collected.
    Busy,
    /// The file system refused.
    Disk,
}

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What to branch on.
    pub kind: Kind,
    /// What to tell.
    pub report: ground::Error,
}

impl Error {
    pub(crate) fn new(kind: Kind, report: ground::Error) -> Self {
        Self { kind, report }
    }

    /// What a failed write to a [`super::Part`] means: too much content, or a full disk.
    pub(crate) fn writing(blob: &Descriptor, error: io::Error) -> Self {
        super::blobs::cannot_store(&blob.digest, error)
    }

    pub(crate) fn invalid(report: ground::Error) -> Self {
        Self::new(Kind::Invalid, report)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<Error> for ground::Error {
    fn from(error: Error) -> Self {
        error.report
    }
}

/// Turns a failed file operation into a report with advice.
pub(crate) fn disk(
    what: impl Into<String>,
    operation: impl Into<String>,
) -> impl Fn(io::Error) -> Error {
    let (what, operation) = (what.into(), operation.into());
    move |error| {
        let report = ground::Error::new(&what).io(&operation, &error);
        let report = match advice(&error) {
            Some(fix) => report.fix(fix),
            None => report,
        };
        Error::new(Kind::Disk, report)
    }
}

/// What helps, by kind of errno.
fn advice(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("free some space (mini-docker system prune), or use another disk with --root")
        }
        ErrorKind::PermissionDenied => {
            Some("the directory belongs to somebody else: run as its owner, or choose --root")
        }
        ErrorKind::ReadOnlyFilesystem => {
            Some("the file system is read-only: choose a directory with --root")
        }
        _ => None,
    }
}
