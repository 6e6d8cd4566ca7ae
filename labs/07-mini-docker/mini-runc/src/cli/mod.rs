//! The command line: runc's, so that whoever drives runc drives this.
//!
//! Words and options are parsed here and nowhere else; each command is a call of a room.
//!
//! Source: runc(8) and its pages; `runc --help`.

mod args;
mod commands;
mod events;
mod exec;
mod features;
mod look;
mod plain;
mod report;
mod update;
mod values;

use std::ffi::OsString;

use args::Args;
use clap::Parser;
use report::Log;

use crate::seal;

/// Runs the program with these arguments, the first of them its own name.
///
/// Exit status: 0; for `run` and `exec` in the foreground that of the program, 128 and its number
/// for a signal; 125 for a failure of our own, 126 for a program that cannot be run, 127 for one
/// that was not found; 2 for arguments that make no sense.
pub fn main(args: impl Iterator<Item = OsString>) -> u8 {
    let args: Vec<_> = args.collect();
    let sealed = seal::seal(&args);
    let args = match plain::read(&args).map_or_else(|| Args::try_parse_from(&args), Ok) {
        Ok(args) => args,
        Err(error) => {
            // A reader that went away cannot be told so.
            let _ = error.print();
            return error.exit_code() as u8;
        }
    };
    let log = Log::new(&args.global);
    sealed.and_then(|()| commands::run(args, &log)).unwrap_or_else(|error| {
        log.error(&error);
        error.exit_code
    })
}
