//! The engine's error: what a caller branches on, and the report for the person.

use std::fmt;

use crate::{registry, store, transfer};

/// What the verbs return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was. The API makes status codes of it (404, 409, 400, 500).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is no such container, image or volume.
    NotFound,
    /// It is in use, or not in the right state.
    Conflict,
    /// What was asked for makes no sense.
    Invalid,
    /// The registry, or the way there.
    Registry,
    /// The kernel, the disk or the runtime.
    Kernel,
}

/// A failed verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What to branch on.
    pub kind: Kind,
    /// What to tell.
    pub report: ground::Error,
}

impl Error {
    /// A failure of this kind.
    pub fn new(kind: Kind, report: ground::Error) -> Self {
        Self { kind, report }
    }

    /// Something that is not there.
    pub fn not_found(report: ground::Error) -> Self {
        Self::new(Kind::NotFound, report)
    }

    /// Something that is in the way.
    pub fn conflict(report: ground::Error) -> Self {
        Self::new(Kind::Conflict, report)
    }

    /// Something that makes no sense.
    pub fn invalid(report: ground::Error) -> Self {
        Self::new(Kind::Invalid, report)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<ground::Error> for Error {
    fn from(report: ground::Error) -> Self {
        Self::new(Kind::Kernel, report)
    }
}

impl From<Error> for ground::Error {
    fn from(error: Error) -> Self {
        error.report
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let kind = match error.kind {
            store::Kind::NotFound => Kind::NotFound,
            store::Kind::Ambiguous | store::Kind::Invalid => Kind::Invalid,
            store::Kind::Busy => Kind::Conflict,
            store::Kind::Disk => Kind::Kernel,
        };
        Self::new(kind, error.report)
    }
}

impl From<registry::client::Error> for Error {
    fn from(error: registry::client::Error) -> Self {
        Self::new(Kind::Registry, error.report)
    }
}

impl From<transfer::Error> for Error {
    fn from(error: transfer::Error) -> Self {
        match error {
            transfer::Error::Registry(error) => error.into(),
            transfer::Error::Store(error) => error.into(),
            transfer::Error::Invalid(report) => Self::invalid(report),
        }
    }
}
