//! Included code: mdBook turns a missing anchor into nothing, silently; here it is an error.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Every `{{#include FILE:ANCHOR}}` below `directory` whose file or anchor does not exist.
pub fn missing(directory: &Path) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("{}", directory.display()))? {
        let page = entry?.path();
        if page.is_dir() {
            missing.extend(self::missing(&page)?);
        } else if page.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&page)?;
            let wrong = targets(&text).filter(|target| !exists(directory, target));
            missing.extend(wrong.map(|target| format!("{}: {target}", page.display())));
        }
    }
    Ok(missing)
}

/// The arguments of all include directives of a page.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{#include ").skip(1).filter_map(|rest| rest.split("}}").next()).map(str::trim)
}

fn exists(directory: &Path, target: &str) -> bool {
    let (file, anchor) = target.split_once(':').map_or((target, None), |(f, a)| (f, Some(a)));
    let Ok(text) = fs::read_to_string(directory.join(file)) else { return false };
    anchor.is_none_or(|anchor| has_anchor(&text, anchor))
}

fn has_anchor(text: &str, anchor: &str) -> bool {
    let named = |line: &str, mark: &str| {
        line.split_once(mark).is_some_and(|(_, name)| name.trim() == anchor)
    };
    text.lines().any(|line| named(line, "ANCHOR:"))
        && text.lines().any(|line| named(line, "ANCHOR_END:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_needs_both_ends() {
        assert!(has_anchor("// ANCHOR: a\nx\n// ANCHOR_END: a\n", "a"));
        assert!(!has_anchor("// ANCHOR: a\nx\n", "a"));
        assert!(!has_anchor("// ANCHOR: ab\n// ANCHOR_END: ab\n", "a"));
    }

    #[test]
    fn all_includes_of_a_page_are_found() {
        let page = "a {{#include x.rs:one}} b\n{{#include y.md}}";
        assert_eq!(targets(page).collect::<Vec<_>>(), ["x.rs:one", "y.md"]);
    }
}
