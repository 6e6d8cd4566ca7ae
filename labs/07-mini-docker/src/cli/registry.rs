//! registry serve: a registry of our own, for the demonstration and for tests.

use std::{path::Path, process::ExitCode};

use ground::Result;

use super::args::Registry;

/// `registry`
pub fn run(_root: &Path, args: Registry) -> Result<ExitCode> {
    let Registry::Serve { .. } = args;
    Ok(ExitCode::FAILURE)
}
