//! The book: mdBook as a library, between checks of what is written and of what it links to.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdbook_driver::MDBook;

use crate::{directives::Directives, includes, links, notes};

/// Builds `book/` into `book/build` and returns its first page.
pub fn build(root: &Path) -> Result<PathBuf> {
    let source = root.join("book");
    report("includes what is not there", includes::missing(&source.join("src"))?)?;
    report("has speaker notes that make no sense", notes::wrong(&source.join("src"))?)?;
    let mut book = MDBook::load(&source).context("cannot load the book")?;
    book.with_preprocessor(Directives::new(root));
    book.build().context("cannot build the book")?;
    let built = source.join("build");
    report("has dead links", links::dead(&built)?)?;
    Ok(built.join("index.html"))
}

fn report(what: &str, found: Vec<String>) -> Result<()> {
    if !found.is_empty() {
        bail!("the book {what}:\n  {}", found.join("\n  "));
    }
    Ok(())
}
