//! A step is data: one kernel action that can be run, explained, and blamed.

use std::fmt;

use crate::{Errno, Error};

/// What a [`Step`] would do, in words: the sentence in the plan and in the error report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The system call with its flags by name, as strace(1) would print it.
    pub call: String,
    /// Why it is made, and why here.
    pub why: String,
    /// The manual page to read, as `2 pivot_root`.
    pub man: &'static str,
}

impl Explanation {
    /// An explanation from its three parts.
    pub fn new(call: impl Into<String>, why: impl Into<String>, man: &'static str) -> Self {
        Self { call: call.into(), why: why.into(), man }
    }
}

// ANCHOR: step
/// One kernel action, prepared in the parent and run in the child.
///
/// It is the only trait that all labs share. Everything a step needs is prepared when it is made
/// (C strings, file descriptors, integers), because between clone(2) and execve(2) nothing may
/// allocate.
pub trait Step: fmt::Debug {
    /// Performs the action.
    ///
    /// Async-signal-safe (man 7 signal-safety): system calls only; no allocation, no lock, no
    /// panic.
    ///
    /// # Errors
    /// The errno of the call that failed; [`Step::fix`] has the advice for it.
    fn run(&self) -> std::result::Result<(), Errno>;

    /// The action in words. Never runs anything and needs no privilege.
    fn explain(&self) -> Explanation;

    /// What a person can do about `errno`, where there is something specific to say. What it means
    /// everywhere is said without ([`crate::advice::everywhere`]).
    fn fix(&self, errno: Errno) -> Option<&'static str> {
        let _ = errno;
        None
    }
    // ANCHOR_END: step

    /// The report for this step having failed with `errno`.
    fn failed(&self, errno: Errno) -> Error {
        let Explanation { call, man, .. } = self.explain();
        let error = Error::new("cannot set up the container").call(&call, errno).see(man);
        match self.fix(errno) {
            Some(fix) => error.fix(fix),
            None => error,
        }
    }
}
