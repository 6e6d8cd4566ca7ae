//! mini-docker: one binary with several names. As `mini-runc` it is the runtime; with the hidden
//! verb `monitor` the process that watches over a container; as the guardian of the demonstration's
//! group it waits for the end of its maker; else the command line.

mod cli;
mod demo;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use ground::{Error, Narrator};
use mini_docker::{
    container::monitor::{Watch, handover, watch},
    runtime::OWN_NAME,
};

/// Docker's status for a failure of its own.
const OUR_OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let name = words.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == OWN_NAME) {
        return mini_runc(words);
    }
    if name.is_some_and(|name| name == handover::SMALL) {
        return small_monitor();
    }
    if let Some(ended) = cgroups::door(words.clone().into_iter()) {
        return ended;
    }
    cli::answer();
    let words = cli::spelled_out(words);
    let arguments = match cli::typed::read(&words) {
        Ok(arguments) => arguments,
        Err(error) => return cli::tell(&error, &words),
    };
    cli::run(arguments.global.root, arguments.command).unwrap_or_else(|error| {
        report(&error);
        ExitCode::from(error.exit_code)
    })
}

/// Does the work of the small program where that is not installed.
fn small_monitor() -> ExitCode {
    if let Some(told) = Watch::told() {
        report(&watch(told));
    }
    ExitCode::FAILURE
}

/// Becomes the runtime.
fn mini_runc(words: Vec<OsString>) -> ExitCode {
    ExitCode::from(mini_runc::main(words.into_iter()))
}

/// Tells a person what is not as they think, and goes on.
fn warn(text: &str) {
    // A reader that went away cannot be told so.
    let _ = writeln!(io::stderr(), "WARNING: {text}");
}

/// Tells a person what went wrong.
fn report(error: &Error) {
    let mut stderr = io::stderr();
    let look = ground::cli::look(&stderr);
    // A reader that went away cannot be told so.
    let _ = Narrator::new(&mut stderr, look).error(error);
    let _ = io::stdout().flush();
}
