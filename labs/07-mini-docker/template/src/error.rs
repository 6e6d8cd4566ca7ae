//! What is wrong with a template, in Go's words.

use std::fmt;

/// A template that cannot be parsed, or not be rendered with these data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Go's sentence: `template: :1: unclosed action`.
    pub text: String,
    /// The fields that are there, where one was asked for that is not.
    pub fields: Vec<String>,
    /// Whether the template itself is wrong, whatever the data.
    pub is_syntax: bool,
}

impl Error {
    pub(crate) fn syntax(text: String) -> Self {
        Self { text, fields: Vec::new(), is_syntax: true }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// A failure before it is known where in the template it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub text: String,
    pub fields: Vec<String>,
}

impl Fault {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), fields: Vec::new() }
    }
}
