//! The commands of free play, a file each.

pub mod ls;
pub mod run;
pub mod show;
pub mod tree;

use std::process::ExitCode;

use ground::{Error, Result};

/// The end of a command that only tells something; a reader that went away is no failure.
fn told(written: std::io::Result<()>) -> Result<ExitCode> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot tell the result").io("write", &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
