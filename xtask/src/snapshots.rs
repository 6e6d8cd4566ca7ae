//! `{{#snapshot FILE}}` in a page becomes what a test has seen, and nothing else ever does: the
//! book's transcripts cannot be typed in. Likewise `{{#fields}}`: see `fields.rs`.
//!
//! The lesson cards are included from the labs, where their links lead to other cards; in the book
//! those lead to the pages of the labs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use mdbook_preprocessor::{
    Preprocessor, PreprocessorContext,
    book::{Book, BookItem},
};

use crate::fields;

const OPEN: &str = "{{#snapshot ";
const FIELDS: &str = "{{#fields}}";

/// The preprocessor; paths are relative to the root of the workspace.
pub struct Snapshots {
    root: PathBuf,
}

impl Snapshots {
    /// For the workspace at `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn expand(&self, page: &str) -> Result<String> {
        let mut parts = page.split(OPEN);
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (file, rest) = part.split_once("}}").context("a snapshot directive has no end")?;
            let path = self.root.join(file.trim());
            let text = fs::read_to_string(&path)
                .with_context(|| format!("no snapshot at {}", path.display()))?;
            expanded += &format!("```text\n{}\n```{rest}", body(&text).trim_end());
        }
        if expanded.contains(FIELDS) {
            expanded = expanded.replace(FIELDS, &fields::tables(&self.root)?);
        }
        Ok(expanded)
    }
}

/// A snapshot file of insta without its header, which stands between two lines of `---`.
fn body(snapshot: &str) -> &str {
    let rest = snapshot.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    rest.map_or(snapshot, |(_header, body)| body)
}

/// Links between lesson cards (`../02-cgroups/README.md`) as links between pages.
fn links_to_pages(page: &str) -> String {
    let mut parts = page.split("](../");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match card(part) {
            Some((number, rest)) => out += &format!("](lab-{number}.md){rest}"),
            None => out += &format!("](../{part}"),
        }
    }
    out
}

/// `02-cgroups/README.md) rest` as `("02", " rest")`.
fn card(link: &str) -> Option<(&str, &str)> {
    let (target, rest) = link.split_once(')')?;
    let directory = target.trim_end_matches('/').trim_end_matches("/README.md");
    let (number, _name) = directory.split_once('-')?;
    (number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some((number, rest))
}

impl Preprocessor for Snapshots {
    fn name(&self) -> &str {
        "snapshots"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let mut result = Ok(());
        book.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item {
                match self.expand(&chapter.content) {
                    Ok(content) => chapter.content = links_to_pages(&content),
                    Err(error) => result = Err(error.context(chapter.name.clone())),
                }
            }
        });
        result.map(|()| book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_snapshot_is_left_out() {
        assert_eq!(body("---\nsource: x\n---\nhello\n"), "hello\n");
        assert_eq!(body("hello\n"), "hello\n");
    }

    #[test]
    fn a_card_becomes_a_page() {
        let text = "see [lab 02](../02-cgroups/README.md), [it](../notes.md)";
        assert_eq!(links_to_pages(text), "see [lab 02](lab-02.md), [it](../notes.md)");
    }
}
