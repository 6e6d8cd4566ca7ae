//! The demonstration.

use std::process::ExitCode;

/// Plays it.
pub fn play(flags: ground::cli::Flags) -> ExitCode {
    let _ = flags;
    ExitCode::FAILURE
}
