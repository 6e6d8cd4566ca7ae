//! Lab 07: an engine's promises are about bytes on disk, and a runtime's about what a program begins with.

mod runtime;
mod store;

use std::path::{Path, PathBuf};

use super::Grader;
use crate::stage::random_word;

/// By number.
pub const GRADERS: [Grader; 13] = [
    store::whole_or_not_at_all,
    runtime::first_process,
    runtime::inherited,
    runtime::filter_last,
    runtime::cannot_be_run,
    store::link_in_a_layer,
    store::broken_off,
    store::lock_of_a_name,
    store::as_promised,
    runtime::sealed_runtime,
    store::full_log,
    store::gone_in_a_layer,
    runtime::plugged_in,
];

/// The stage's directory of this run.
fn place(name: &str, part: &str) -> PathBuf {
    Path::new("/tmp").join(name).join(part)
}

/// Words that nobody knows beforehand, so many of them.
fn random_words(count: u32) -> String {
    (0..count).map(|_| random_word()).collect::<Vec<_>>().join("-")
}
