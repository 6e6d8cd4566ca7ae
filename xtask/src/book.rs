//! The book: mdBook as a library, between checks of what is written and of what it links to.

use std::path::Path;

use anyhow::{Context, Result, bail};
use mdbook_driver::MDBook;

use crate::{claims, directives::Directives, includes, links, notes};

/// Builds `book/` into `book/build`, and tells of it: its first page, and what is counted in it.
pub fn build(root: &Path) -> Result<String> {
    let source = root.join("book");
    report("includes what is not there", includes::missing(&source.join("src"))?)?;
    report("has speaker notes that make no sense", notes::wrong(&source.join("src"))?)?;
    let mut book = MDBook::load(&source).context("cannot load the book")?;
    book.with_preprocessor(Directives::new(root));
    book.build().context("cannot build the book")?;
    let built = source.join("build");
    report("has dead links", links::dead(&built)?)?;
    Ok(format!("built {}\n{}", built.join("index.html").display(), claims::counts(root)?))
}

fn report(what: &str, found: Vec<String>) -> Result<()> {
    if !found.is_empty() {
        bail!("the book {what}:\n  {}", found.join("\n  "));
    }
    Ok(())
}
