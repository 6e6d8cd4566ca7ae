//! The museum of mistakes, a page a lab.
//!
//! The source is the snapshot of what `cargo workbook` shows of it, and in that each symptom is the
//! snapshot of a run: `workbook/tests/companion.rs`, `workbook/tests/exercises.rs`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::scenes;

const SNAPSHOT: &str = "workbook/tests/snapshots/museum.snap";

/// `{{#museum LAB}}`: the mistakes of a lab.
pub fn of_lab(root: &Path, lab: &str) -> Result<String> {
    let text = scenes::read(&root.join(SNAPSHOT))?;
    let pages = text.split("# Lab ").skip(1);
    let page = pages.filter_map(|page| page.split_once("\n\n")).find(|(it, _)| *it == lab);
    Ok(page.with_context(|| format!("no mistakes of lab {lab}"))?.1.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_mistakes_of_its_lab() {
        let page = of_lab(crate::root(), "03").unwrap();
        assert!(page.starts_with("## ") && page.contains("Exercise 03.1"), "{page}");
        assert!(!page.contains("Exercise 04"), "{page}");
        assert!(of_lab(crate::root(), "09").is_err());
    }
}
