//! Chores: `cargo xtask book` builds the book and checks every link and every included line.

mod book;
mod includes;
mod links;
mod snapshots;

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
        _ => {
            eprintln!("usage: cargo xtask book");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(page) => {
            println!("built {}", page.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
