//! What is cut from the labs' sources: the regions between `ANCHOR` marks, which the book shows as well.
//!
//! `// @include FILE:ANCHOR` in a program is replaced by a region, `// @answer FILE:ANCHOR` is the
//! hole: the region is what fits it. So an exercise cannot drift away from the code it teaches.

use std::{fmt, fs, path::Path};

use ground::{Error, Result};

/// A region of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The file, from the repository's root.
    pub file: String,
    /// The name between `ANCHOR:` and `ANCHOR_END:`.
    pub name: String,
}

impl Anchor {
    fn parse(text: &str) -> Option<Self> {
        let (file, name) = text.trim().rsplit_once(':')?;
        Some(Self { file: file.to_owned(), name: name.to_owned() })
    }

    /// Its text, moved to the left, without the marks of other regions in it.
    ///
    /// # Errors
    /// A file or a mark that is not there.
    pub fn text(&self, root: &Path) -> Result<String> {
        let path = root.join(&self.file);
        let missing = || Error::new(format!("no region {self} in the labs' sources"));
        let text = fs::read_to_string(&path)
            .map_err(|error| missing().io(format_args!("open {}", path.display()), &error))?;
        let (begin, end) = (format!("ANCHOR: {}", self.name), format!("ANCHOR_END: {}", self.name));
        let is = |line: &str, mark: &str| line.trim_start_matches([' ', '/']) == mark;
        let mut lines = text.lines().skip_while(|line| !is(line, &begin));
        lines.next().ok_or_else(missing)?;
        let region: Vec<_> = lines.take_while(|line| !is(line, &end)).collect();
        Ok(to_the_left(region.into_iter().filter(|line| !line.contains("// ANCHOR"))))
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.name)
    }
}

fn to_the_left<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<_> = lines.collect();
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| format!("{}\n", line.get(indent..).unwrap_or(""))).collect()
}

/// The region that the hole of a program is cut from.
pub fn answer_anchor(program: &str) -> Option<Anchor> {
    program.lines().find_map(|line| Anchor::parse(line.trim().strip_prefix("// @answer ")?))
}

/// The program with all its regions.
///
/// # Errors
/// As [`Anchor::text`].
pub fn with_includes(program: &str, root: &Path) -> Result<String> {
    let mut text = String::new();
    for line in program.lines() {
        match line.trim().strip_prefix("// @include ").and_then(Anchor::parse) {
            Some(anchor) => text += &indented(&anchor.text(root)?, indent(line)),
            None => text += &format!("{line}\n"),
        }
    }
    Ok(text)
}

/// The program with this in its hole, between two marks that a learner sees.
pub fn with_answer(program: &str, answer: &str) -> String {
    let lines = program.lines().map(|line| {
        let at = indent(line);
        if !line.trim().starts_with("// @answer") {
            return format!("{line}\n");
        }
        let space = " ".repeat(at);
        let answer = indented(answer, at);
        format!("{space}// ---- your part ----\n{answer}{space}// ---- end of your part ----\n")
    });
    lines.collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn indented(text: &str, by: usize) -> String {
    let line = |line: &str| match line.is_empty() {
        true => "\n".to_owned(),
        false => format!("{}{line}\n", " ".repeat(by)),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_keeps_its_indentation() {
        let program = "fn f() {\n    // @answer x.rs:y\n}\n";
        let filled = with_answer(program, "a();\n  b();");
        assert!(filled.contains("\n    a();\n      b();\n    //"), "{filled}");
        assert_eq!(answer_anchor(program).unwrap().to_string(), "x.rs:y");
    }

    #[test]
    fn a_region_of_a_lab_is_found() {
        let root = crate::root();
        let anchor = Anchor::parse("labs/03-chroot-pivot/src/pivot.rs:pivot").unwrap();
        assert!(anchor.text(&root).unwrap().contains("pivot"));
        assert!(
            Anchor::parse("labs/03-chroot-pivot/src/pivot.rs:no").unwrap().text(&root).is_err()
        );
    }
}
