//! Errors in three parts: what failed, why, and what mends it.
//!
//! An errno alone says what the kernel thought, not what the person did. Every error that leaves a
//! lab is one of these; the step that failed is quoted as the call that strace(1) would show.

use std::{borrow::Cow, fmt};

use serde_json::{Value, json};

use crate::{Errno, advice::everywhere};

/// What a fallible function of any lab returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Our own failure, as in `docker run` and env(1): the command was never reached.
const OUR_OWN_FAILURE: u8 = 125;

/// A failure, ready to be read by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What could not be done, from the reader's view: `cannot set up the container`.
    pub what: String,
    /// The cause: usually a call and its errno.
    pub why: Option<String>,
    /// The manual page or document that explains it, as `man 2 mount`.
    pub see: Option<String>,
    /// What to do about it; a command where there is one.
    pub fix: Option<String>,
    /// The exit status of a program that ends with this error: 125 for a failure of our own, 126
    /// for a command that cannot be run, 127 for one that was not found.
    pub exit_code: u8,
}

impl Error {
    /// A failure with no explanation yet.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, see: None, fix: None, exit_code: OUR_OWN_FAILURE }
    }

    /// Adds the cause.
    pub fn why(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// Adds a failed call as the cause: `mount(..) = ENOENT (No such file or directory)`. An errno
    /// that means the same everywhere brings its advice along.
    pub fn call(self, call: &str, errno: Errno) -> Self {
        self.why(format!("{call} = {}", in_words(errno))).advised(errno)
    }

    /// Adds a failed file operation as the cause: `open /proc/7/status: ENOENT (..)`.
    pub fn io(self, operation: impl fmt::Display, error: &std::io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(errno) => self.why(format!("{operation}: {}", in_words(errno))).advised(errno),
            None => self.why(format!("{operation}: {error}")),
        }
    }

    /// What is said in particular, before or after this, counts more.
    fn advised(self, errno: Errno) -> Self {
        let fix = self.fix.or_else(|| everywhere(errno).map(str::to_owned));
        Self { fix, ..self }
    }

    /// Adds the manual page, as `2 mount` or `5 proc_pid_status`.
    pub fn see(self, man: &str) -> Self {
        Self { see: Some(format!("man {man}")), ..self }
    }

    /// Adds what a person can do.
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Sets the exit status of a program that ends with this error.
    pub fn exit_code(self, exit_code: u8) -> Self {
        Self { exit_code, ..self }
    }

    /// The same report as one JSON object: `{what, why, see, fix}`.
    pub fn to_json(&self) -> Value {
        json!({ "what": self.what, "why": self.why, "see": self.see, "fix": self.fix })
    }

    /// The report that another process of ours wrote as JSON; `exit_code` is read too where it is
    /// given.
    pub fn from_json(report: &Value) -> Self {
        let text = |key: &str| report.get(key).and_then(Value::as_str).map(str::to_owned);
        let exit_code = report.get("exit_code").and_then(Value::as_u64);
        Self {
            what: text("what").unwrap_or_else(|| "something failed".to_owned()),
            why: text("why"),
            see: text("see"),
            fix: text("fix"),
            exit_code: exit_code.and_then(|it| it.try_into().ok()).unwrap_or(OUR_OWN_FAILURE),
        }
    }

    /// The report that another program of ours printed for a person; what it said before that is
    /// left out.
    pub fn from_text(text: &str) -> Self {
        let mut parts = vec![("what", String::new())];
        for line in text.lines().skip_while(|line| !line.starts_with("error: ")) {
            let label = ["why", "see", "fix"].into_iter().find_map(|label| {
                Some((label, line.strip_prefix("  ")?.strip_prefix(label)?.strip_prefix(": ")?))
            });
            match (label, parts.last_mut()) {
                (Some((label, text)), _) => parts.push((label, text.to_owned())),
                (None, Some((_, text))) if !text.is_empty() => {
                    *text += &format!("\n{}", line.trim_start());
                }
                (None, Some((_, text))) => *text += line.trim_start_matches("error: "),
                (None, None) => {}
            }
        }
        let value = parts.into_iter().map(|(label, text)| (label.to_owned(), Value::String(text)));
        let value = value.filter(|(_, text)| text.as_str() != Some(""));
        Self::from_json(&Value::Object(value.collect()))
    }
}

/// `ENOENT (No such file or directory)`: the name to search for and the sentence to read.
fn in_words(errno: Errno) -> String {
    format!("{errno:?} ({})", errno.desc())
}

/// So many bytes of a part are shown; what is longer quotes what somebody gave us.
const SHOWN: usize = 2000;

/// The beginning of a text that nobody reads to its end, and how long it is.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN {
        return Cow::Borrowed(text);
    }
    let ends = text.char_indices().map(|(at, _)| at);
    let end = ends.take_while(|at| *at <= SHOWN).last().unwrap_or_default();
    Cow::Owned(format!("{}.. ({} bytes)", &text[..end], text.len()))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shortened(&self.what))?;
        let parts = [("why", &self.why), ("see", &self.see), ("fix", &self.fix)];
        for (label, text) in parts {
            if let Some(text) = text {
                let text = shortened(text);
                write!(f, "\n  {label}: {}", text.replace('\n', "\n       "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_what_why_see_fix() {
        let error = Error::new("cannot set up the container")
            .call("mount(\"/a\", \"/b\", NULL, MS_BIND, NULL)", Errno::ENOENT)
            .see("2 mount")
            .fix("create the mount point first");
        assert_eq!(
            error.to_string(),
            "cannot set up the container\n  \
             why: mount(\"/a\", \"/b\", NULL, MS_BIND, NULL) = ENOENT (No such file or directory)\n  \
             see: man 2 mount\n  \
             fix: create the mount point first"
        );
    }

    #[test]
    fn a_failed_read_names_the_file_and_the_errno() {
        let error = std::io::Error::from_raw_os_error(Errno::EACCES as i32);
        let error = Error::new("cannot see the process").io("open /proc/1/ns/pid", &error);
        assert_eq!(error.why.as_deref(), Some("open /proc/1/ns/pid: EACCES (Permission denied)"));
    }

    #[test]
    fn an_errno_that_means_the_same_everywhere_has_its_advice_unless_somebody_knows_better() {
        let full = Error::new("no").call("write(1, ..)", Errno::ENOSPC);
        assert_eq!(full.fix.as_deref(), everywhere(Errno::ENOSPC));
        assert_eq!(full.fix("take another disk").fix.as_deref(), Some("take another disk"));
        let error = std::io::Error::from_raw_os_error(Errno::EMFILE as i32);
        assert_eq!(Error::new("no").fix("close").io("open", &error).fix.as_deref(), Some("close"));
        assert_eq!(Error::new("no").io("open", &error).fix.as_deref(), everywhere(Errno::EMFILE));
        assert_eq!(Error::new("no").call("mount(..)", Errno::EPERM).fix, None);
    }

    #[test]
    fn a_report_survives_the_way_through_json() {
        let error = Error::new("no").why("because").see("2 mount").fix("do");
        assert_eq!(Error::from_json(&error.to_json()), error);
        assert_eq!(Error::from_json(&json!({ "what": "no", "exit_code": 127 })).exit_code, 127);
    }

    #[test]
    fn a_report_survives_the_way_through_text() {
        let error = Error::new("no").why("one\ntwo").see("2 mount").fix("do: this");
        assert_eq!(Error::from_text(&format!("WARNING: it\nerror: {error}\n")), error);
        assert_eq!(Error::from_text("Killed\n"), Error::new("something failed"));
    }

    #[test]
    fn what_is_too_long_to_be_read_is_cut() {
        let text = Error::new("no").why("ä".repeat(5000)).to_string();
        assert!(text.ends_with("ää.. (10000 bytes)") && text.len() < 2100);
    }

    #[test]
    fn a_fix_of_two_lines_stays_indented() {
        let error = Error::new("no").fix("one\ntwo");
        assert_eq!(error.to_string(), "no\n  fix: one\n       two");
    }
}
