//! What a command said and how it ended.

use std::fmt;

/// The end of a command that ran in a [`Place`](crate::Place).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 128 + n when signal n ended it, as a shell has it.
    pub code: i32,
    /// Its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output; then, if there is any, what went to standard error and a status other
    /// than 0. The text for a snapshot.
    pub fn text(&self) -> String {
        let mut text = self.stdout.clone();
        if !self.stderr.is_empty() {
            text += &format!("--- stderr ---\n{}", self.stderr);
        }
        if self.code != 0 {
            text += &format!("--- exit status {} ---\n", self.code);
        }
        text
    }

    /// Standard output of a command that succeeded.
    ///
    /// # Panics
    /// When it did not, with all it said.
    #[track_caller]
    pub fn success(&self) -> &str {
        assert_eq!(self.code, 0, "the command failed:\n{self}");
        &self.stdout
    }

    /// Standard error of a command that failed with this exit status.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    pub fn failure(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "the command ended otherwise:\n{self}");
        &self.stderr
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}
