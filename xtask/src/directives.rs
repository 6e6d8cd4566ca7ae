//! What stands between `{{#` and `}}` in a page becomes what tests have seen, and nothing else ever
//! does: the book's transcripts, pictures and tables cannot be typed in.
//!
//! | directive | becomes |
//! |---|---|
//! | `snapshot FILE` | a snapshot of a test, whole |
//! | `scene LAB NUMBER` | one scene of a lab's demonstration |
//! | `session NAME BEGINNING` | what an engine said: the steps of a session in `tests/peers` below the comment that begins so |
//! | `since OLD NEW` | the new plan, with what the old one does not have marked and explained |
//! | `picture NAME` | a drawing of a table of a demonstration |
//! | `escapes`, `walls`, `escape WAY`, each with `user` or `v2` | what came of each way out behind each wall, the walls, the kernel's answers to one |
//! | `museum LAB` | the mistakes of a lab, as patches, with their symptoms |
//! | `claims`, `fields` | the ledger; the fields of config.json |
//!
//! A drawing made of letters becomes a picture as well (`drawings.rs`).
//!
//! The lesson cards are included from the labs, where their links lead to other cards; in the book
//! those lead to the pages of the labs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mdbook_preprocessor::{
    Preprocessor, PreprocessorContext,
    book::{Book, BookItem},
};

use crate::{
    claims, consoles, drawings, escapes, fields, museum, pictures, plans, scenes, transcripts,
};

/// The preprocessor; paths are relative to the root of the workspace.
pub struct Directives {
    root: PathBuf,
}

impl Directives {
    /// For the workspace at `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn expand(&self, page: &str) -> Result<String> {
        let mut parts = page.split("{{#");
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (words, rest) = part.split_once("}}").context("a directive has no end")?;
            match self.directive(words).with_context(|| words.to_owned())? {
                Some(text) => expanded += &format!("{text}{rest}"),
                None => expanded += &format!("{{{{#{part}"),
            }
        }
        Ok(expanded)
    }

    /// What it becomes; `None` when it is not one of ours.
    fn directive(&self, words: &str) -> Result<Option<String>> {
        let words: Vec<_> = words.split_whitespace().collect();
        let text = |text: &str| format!("```text\n{}\n```", text.trim_end());
        Ok(Some(match words.as_slice() {
            ["snapshot", file] => text(&scenes::read(&self.root.join(file))?),
            ["scene", lab, number] => {
                text(&scenes::Scene::of(&scenes::story_of(&self.root, lab)?, number.parse()?)?.text)
            }
            ["session", name, beginning @ ..] => {
                let file = format!("tests/peers/sessions/{name}.console");
                text(&consoles::console(&self.root, &file, &beginning.join(" "))?.text())
            }
            ["since", old, new] => plans::since(&self.root, old, new)?,
            ["picture", name] => pictures::picture(&self.root, name)?,
            ["escapes"] => escapes::matrix(&self.root, "")?,
            ["escapes", machine] => escapes::matrix(&self.root, machine)?,
            ["walls"] => escapes::walls(&self.root, "")?,
            ["walls", machine] => escapes::walls(&self.root, machine)?,
            ["escape", way] => escapes::answers(&self.root, way, "")?,
            ["escape", way, machine] => escapes::answers(&self.root, way, machine)?,
            ["museum", lab] => museum::of_lab(&self.root, lab)?,
            ["claims"] => claims::ledger(&self.root)?,
            ["fields"] => fields::tables(&self.root)?,
            _ => return Ok(None),
        }))
    }
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

impl Preprocessor for Directives {
    fn name(&self) -> &str {
        "directives"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let mut result = Ok(());
        book.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item {
                let drawn = drawings::drawn(&transcripts::captioned(&chapter.content));
                match drawn.and_then(|page| self.expand(&page)) {
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
    fn a_card_becomes_a_page() {
        let text = "see [lab 02](../02-cgroups/README.md), [it](../notes.md)";
        assert_eq!(links_to_pages(text), "see [lab 02](lab-02.md), [it](../notes.md)");
    }

    #[test]
    fn what_is_not_ours_stays() {
        let page = Directives::new(crate::root());
        assert_eq!(page.expand("a {{#title b}} c").unwrap(), "a {{#title b}} c");
        assert!(page.expand("{{#scene 01 1}}").unwrap().contains("CLONE_NEWNS"));
        assert!(page.expand("{{#scene 01 99}}").is_err());
        assert!(page.expand("{{#session docker Further programs}}").unwrap().contains("exit 9"));
    }
}
