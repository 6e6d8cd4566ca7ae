//! The bundle: a directory with config.json in it, read and checked once.
//!
//! Source: runtime specification, bundle.md, config.md.

mod json_path;
mod mount_label;

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use oci::runtime::{Linux, Process, Spec};
use serde::de::DeserializeOwned;

/// The file's name in the bundle.
pub(crate) const CONFIG: &str = "config.json";

/// A bundle, ready to be planned.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The directory, absolute.
    pub(crate) dir: PathBuf,
    /// The root file system, absolute, without links.
    pub(crate) rootfs: PathBuf,
    /// config.json, without `process` and `linux`.
    pub(crate) spec: Spec,
    /// config.json as it was written, kept with the container.
    pub(crate) text: Vec<u8>,
    process: Process,
    linux: Linux,
}

impl Bundle {
    /// Reads `dir`/config.json.
    ///
    /// # Errors
    /// No such file, broken JSON (with the place in it), no process, no root file system.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let dir = fs::canonicalize(dir).map_err(|error| {
            Error::new(format!("bundle {} does not exist", dir.display()))
                .io(format_args!("open {}", dir.display()), &error)
                .fix("name the directory that holds config.json: --bundle DIR")
        })?;
        let path = dir.join(CONFIG);
        let text = fs::read(&path).map_err(|error| {
            Error::new(format!("JSON specification file {CONFIG} not found"))
                .io(format_args!("open {}", path.display()), &error)
                .fix("name the bundle with --bundle DIR, or write one with `mini-runc spec`")
        })?;
        Self::parse(dir, text)
    }

    /// The same from a copy of config.json, for a container that exists.
    ///
    /// # Errors
    /// As [`Bundle::read`].
    pub(crate) fn parse(dir: PathBuf, text: Vec<u8>) -> Result<Self> {
        let mut spec = spec(&text)?;
        let Some(process) = spec.process.take() else {
            return Err(missing(
                "process",
                "the program to run: {\"args\": [\"sh\"], \"cwd\": \"/\"}",
            ));
        };
        let Some(root) = &spec.root else {
            return Err(missing("root", "the root file system: {\"path\": \"rootfs\"}"));
        };
        let rootfs = dir.join(&root.path);
        let rootfs = fs::canonicalize(&rootfs).map_err(|error| {
            Error::new("the root file system does not exist")
                .io(format_args!("config.json, root.path: open {}", rootfs.display()), &error)
                .fix("root.path is meant from the bundle; unpack an image there")
        })?;
        if !rootfs.is_dir() {
            return Err(Error::new("the root file system is not a directory")
                .why(format!("config.json, root.path leads to {}", rootfs.display())));
        }
        let linux = spec.linux.take().unwrap_or_default();
        Ok(Self { dir, rootfs, spec, text, process, linux })
    }

    /// Has the mounts made with the label of linux.mountLabel, where SELinux reads it.
    pub(crate) fn label_mounts(&mut self) {
        if let Some(label) = self.linux.mount_label.as_deref().filter(|it| !it.is_empty()) {
            self.spec.mounts = mount_label::labelled(&self.spec.mounts, label);
        }
    }

    /// The program.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// The same container with another program.
    pub(crate) fn with_process(self, process: Process) -> Self {
        Self { process, ..self }
    }

    /// What only Linux has.
    pub(crate) fn linux(&self) -> &Linux {
        &self.linux
    }
}

/// Parses config.json.
pub(crate) fn spec(text: &[u8]) -> Result<Spec> {
    if let Some(path) = json_path::of_nul(text) {
        return Err(Error::new(format!("{CONFIG} is not valid")).why(nul_at(&path)).fix(NO_NUL));
    }
    Spec::parse(text).map_err(|invalid| {
        let why = format!("{}{}", place_of_error::<Spec>(text), in_json_words(&invalid.why));
        let error = Error::new(format!("{CONFIG} is not valid")).why(why);
        match invalid.fix {
            Some(fix) => error.fix(fix),
            None => error.fix("compare with what `mini-runc spec` writes"),
        }
    })
}

/// What would be accepted, in words of JSON and not of Rust.
fn in_json_words(why: &str) -> String {
    const WORDS: [(&str, &str); 9] = [
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u64", "expected a whole number from 0 to 18446744073709551615"),
        ("expected i32", "expected a whole number from -2147483648 to 2147483647"),
        (
            "expected i64",
            "expected a whole number from -9223372036854775808 to 9223372036854775807",
        ),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected an object"),
        ("expected struct ", "expected an object: "),
    ];
    // The last one: before it stands what was found, and that may say anything.
    let Some(at) = why.rfind("expected ") else { return why.to_owned() };
    let (found, expected) = why.split_at(at);
    let word = WORDS.iter().find(|(rust, _)| expected.starts_with(rust));
    word.map_or_else(
        || why.to_owned(),
        |(rust, json)| format!("{found}{json}{}", &expected[rust.len()..]),
    )
}

/// Parses a part of config.json that has a file of its own, as `process`.
///
/// # Errors
/// What `cannot` says, with the place in the file, what was found there, and what is accepted.
pub(crate) fn part<T: DeserializeOwned>(
    text: &[u8],
    name: &str,
    cannot: impl Fn() -> Error,
) -> Result<T> {
    if let Some(path) = json_path::of_nul(text) {
        return Err(cannot().why(nul_at(&path)).fix(NO_NUL));
    }
    serde_json::from_slice(text).map_err(|error| {
        let why = format!("{}{}", place_of_error::<T>(text), in_json_words(&error.to_string()));
        cannot().why(why).fix(format!("write it as `{name}` of config.json is written"))
    })
}

fn nul_at(path: &str) -> String {
    format!("{path}: it holds a NUL byte (\\u0000), which ends a text for the kernel")
}

const NO_NUL: &str = "leave the byte out: no path, argument or name can have one";

/// `process.user.uid: `, or nothing when the text is no JSON at all or the version is wrong.
fn place_of_error<T: DeserializeOwned>(text: &[u8]) -> String {
    let Err(error) = serde_json::from_slice::<T>(text) else { return String::new() };
    let path = json_path::path_at(text, json_path::offset(text, error.line(), error.column()));
    if path.is_empty() { path } else { format!("{path}: ") }
}

fn missing(field: &str, example: &str) -> Error {
    Error::new(format!("{CONFIG} has no \"{field}\""))
        .why("a container cannot be made without it")
        .fix(format!("add it: {example}"))
}
