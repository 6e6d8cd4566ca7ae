//! Chores: `cargo xtask book` builds the book and checks every link and every included line;
//! `cargo xtask fields` prints the fields of config.json with the tests that prove them.

mod book;
mod claims;
mod consoles;
mod directives;
mod drawings;
mod escapes;
mod fields;
mod html;
mod includes;
mod links;
mod museum;
mod notes;
mod pictures;
mod plans;
mod predictions;
mod scenes;
mod transcripts;

use std::{path::Path, process::ExitCode};

/// The root of the workspace, wherever the command is typed.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a program talks to its user")]
fn main() -> ExitCode {
    let chore = std::env::args().nth(1);
    let result = match chore.as_deref() {
        Some("book") => book::build(root()),
        Some("fields") => fields::tables(root()),
        _ => {
            eprintln!("usage: cargo xtask book | fields");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
