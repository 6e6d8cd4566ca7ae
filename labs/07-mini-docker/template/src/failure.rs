//! Why a function did nothing, in Go's words.

use std::fmt;

use crate::Value;

/// Why a function did nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was called with too much, too little or the wrong kind.
    Misused(String),
    /// It was called rightly, and failed.
    Failed(String),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn failed<T>(text: impl fmt::Display) -> Result<T> {
    Err(Failure::Failed(text.to_string()))
}

/// What Go says when a text is needed.
pub(crate) fn wrong_type(value: &Value) -> Failure {
    let text = format!("wrong type for value; expected string; got {}", value.type_name());
    Failure::Misused(text)
}
