//! Invalid: text that is not what it claims to be, said in three parts.
//!
//! This crate knows nothing of the labs, so it has its own small error; the rooms above turn it
//! into the report that a person reads.

use std::fmt;

/// Text that could not be understood: what was wrong, why, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong, in Docker's words where Docker has some.
    pub what: String,
    /// The detail that decides it.
    pub why: String,
    /// What would be accepted, or what to do instead.
    pub fix: Option<String>,
}

impl Invalid {
    /// An error without advice.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), fix: None }
    }

    /// Adds what would be accepted.
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)?;
        match &self.fix {
            Some(fix) => write!(f, " ({fix})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Invalid {}
