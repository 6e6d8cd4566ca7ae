//! One write: a file of a group, the text it gets, and what to do where a kernel does not have it.

use std::path::Path;

use ground::{Errno, Error, Explanation, Result};

use crate::{Controller, Version, advice, group::write_once};

/// One file to be written in a group's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The controller, and so the tree, that the file belongs to.
    pub controller: Controller,
    /// The file's name.
    pub file: String,
    /// What is written: one write(2), because the kernel parses each write by itself.
    pub value: String,
    /// What to do in a group that has no such file.
    pub absent: Absent,
}

/// What to do where a kernel does not have a file: some came late, some went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// The limit cannot be kept: an error.
    Fails,
    /// The file only adds to another limit.
    Skipped,
    /// The same limit has another file there, with another value.
    Instead {
        /// That file's name.
        file: String,
        /// What is written to it.
        value: String,
    },
}

impl Write {
    pub(super) fn new(
        controller: Controller,
        file: impl Into<String>,
        value: impl ToString,
    ) -> Self {
        Self { controller, file: file.into(), value: value.to_string(), absent: Absent::Fails }
    }

    pub(super) fn or_skipped(self) -> Self {
        Self { absent: Absent::Skipped, ..self }
    }

    pub(super) fn or(self, file: impl Into<String>, value: impl ToString) -> Self {
        Self { absent: Absent::Instead { file: file.into(), value: value.to_string() }, ..self }
    }

    /// The write in words, for a group at `dir`.
    pub fn explain(&self, dir: &Path) -> Explanation {
        let Self { file, value, .. } = self;
        let call = format!("write(\"{}\", \"{value}\")", dir.join(file).display());
        Explanation::new(call, advice::meaning(file), advice::manual(file))
    }

    /// Writes it in the group at `dir`.
    pub(crate) fn run(&self, dir: &Path) -> Result<(), Refused> {
        let refused = |file: &str, value: &str, errno| Refused {
            controller: self.controller,
            file: file.to_owned(),
            value: value.to_owned(),
            errno,
        };
        match (write_once(&dir.join(&self.file), &self.value), &self.absent) {
            (Ok(()), _) | (Err(Errno::ENOENT), Absent::Skipped) => Ok(()),
            (Err(Errno::ENOENT), Absent::Instead { file, value }) => {
                write_once(&dir.join(file), value).map_err(|errno| refused(file, value, errno))
            }
            (Err(errno), _) => Err(refused(&self.file, &self.value, errno)),
        }
    }
}

/// A write that the kernel did not take.
#[derive(Debug)]
pub(crate) struct Refused {
    controller: Controller,
    file: String,
    value: String,
    pub(crate) errno: Errno,
}

impl Refused {
    /// The report, with the advice for this file.
    pub(crate) fn report(&self, dir: &Path) -> Error {
        let what = match self.file.split_once('.') {
            Some(("cgroup" | "freezer", _)) | None => format!("cannot set {}", self.file),
            Some(_) => format!("cannot set the {} limit", self.controller.name(Version::V2)),
        };
        advice::refused(&what, &dir.join(&self.file), &self.value, self.errno)
    }
}

/// The writes of those files that have a value.
pub(super) fn present<const N: usize>(
    controller: Controller,
    files: [(&'static str, Option<String>); N],
) -> Vec<Write> {
    let given = files.into_iter().filter_map(|(file, value)| Some((file, value?)));
    given.map(|(file, value)| Write::new(controller, file, value)).collect()
}

/// Limits that no kernel could keep.
pub(super) fn invalid(why: &str) -> Error {
    Error::new("these limits make no sense").why(why).see("7 cgroups")
}
