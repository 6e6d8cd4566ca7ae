//! What console blocks have shown, as a table: a row for each command, with what it said and its exit status.
//!
//! They are recorded and held against what is said by tests: those of a page by `tests/book`, a session by
//! `tests/peers`, which have the grammar. On a page a heading is the name of all blocks below it; in a
//! session a comment is, up to the next one.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::{predictions::Shown, scenes::Table};

/// The commands below a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// The heading.
    pub title: String,
    /// The lines, as a reader sees them.
    lines: Vec<String>,
}

/// The first console of a file whose heading begins so.
///
/// # Errors
/// When there is no such file or heading, or nothing is run below it.
pub fn console(root: &Path, file: &str, beginning: &str) -> Result<Console> {
    let text = fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
    let consoles = if file.ends_with(".md") { page(&text) } else { session(&text) };
    let found = consoles.into_iter().find(|it| it.title.starts_with(beginning));
    let found = found.with_context(|| format!("{file} has no heading {beginning:?}"))?;
    ensure!(!found.lines.is_empty(), "nothing is run below {:?} in {file}", found.title);
    Ok(found)
}

/// The consoles of a page.
fn page(text: &str) -> Vec<Console> {
    let mut consoles = Vec::new();
    let mut fence = None;
    for line in text.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(words)) => fence = Some(words.starts_with("console")),
            (Some(_), Some(_)) => fence = None,
            (Some(true), None) => add(&mut consoles, line),
            (Some(false), None) => {}
            (None, None) => {
                if let Some(title) = line.trim_start_matches('#').strip_prefix(' ')
                    && line.starts_with('#')
                {
                    consoles.push(Console { title: title.to_owned(), lines: Vec::new() });
                }
            }
        }
    }
    consoles
}

/// The consoles of a session.
fn session(text: &str) -> Vec<Console> {
    let mut consoles = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(title) => consoles.push(Console { title: title.to_owned(), lines: Vec::new() }),
            None => add(&mut consoles, line),
        }
    }
    consoles
}

fn add(consoles: &mut [Console], line: &str) {
    if let Some(console) = consoles.last_mut() {
        console.lines.push(line.to_owned());
    }
}

impl Console {
    /// Its commands as a table.
    pub fn shown(&self) -> Shown {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            let words = || line.strip_prefix("> ").filter(|_| !rows.is_empty());
            if line.starts_with("$ ") {
                rows.push(vec![line.clone(), String::new(), "0".to_owned()]);
            } else if let Some(more) = words()
                && let Some(row) = rows.last_mut().filter(|row| row[1].is_empty())
            {
                row[0] += &format!(" {more}");
            } else if let Some(row) = rows.last_mut() {
                match status(line) {
                    Some(status) => row[2] = status.to_owned(),
                    None if row[1].is_empty() => row[1].clone_from(line),
                    None => row[1] += &format!(" / {line}"),
                }
            }
        }
        let headings = ["command", "says", "status"].map(str::to_owned).to_vec();
        Shown { title: self.title.clone(), tables: vec![Table { headings, rows }] }
    }

    /// What a reader sees of it.
    pub fn text(&self) -> String {
        self.lines.join("\n").trim().to_owned()
    }
}

/// `[7]`
fn status(line: &str) -> Option<&str> {
    let digits = line.strip_prefix('[')?.strip_suffix(']')?;
    (!digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\n## One\n\n```text\n$ no\n```\n\n```console\n$ a \\\n> b | c\nsaid\nmore\n[7]\n```\n\
                        words\n```console,user\n$ d\n```\n## Two\n```console\n$ e\n```\n";

    fn rows(console: &Console) -> Vec<Vec<String>> {
        console.shown().tables.remove(0).rows
    }

    #[test]
    fn what_is_run_below_a_heading_is_a_table() {
        let consoles = page(PAGE);
        assert_eq!(
            consoles.iter().map(|it| &*it.title).collect::<Vec<_>>(),
            ["Page", "One", "Two"]
        );
        assert_eq!(rows(&consoles[1]), [["$ a \\ b | c", "said / more", "7"], ["$ d", "", "0"]]);
        assert_eq!(rows(&consoles[2]), [["$ e", "", "0"]]);
    }

    #[test]
    fn a_sessions_comments_are_its_headings() {
        let consoles = session("# One.\n$ a\nsaid\n\n# Two.\n$ b\n");
        assert_eq!(rows(&consoles[0]), [["$ a", "said", "0"]]);
        assert_eq!(consoles[1].text(), "$ b");
    }

    #[test]
    fn a_heading_that_is_not_there_is_an_error() {
        let root = crate::root();
        assert!(console(root, "book/src/how-to.md", "What a transcript").is_ok());
        assert!(console(root, "book/src/how-to.md", "What a transistor").is_err());
        assert!(console(root, "book/src/how-to.md", "On paper").is_err());
        assert!(console(root, "book/src/nowhere.md", "One").is_err());
    }
}
