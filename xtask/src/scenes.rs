//! What a demonstration told, taken apart again: its scenes, and the tables in them.
//!
//! The texts are the snapshots of the labs' tests. So whatever is made of them (pictures, ledgers)
//! shows what a kernel has said, and breaks when the labs tell something else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A scene: the lines from its heading to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// Its number.
    pub number: usize,
    /// Its heading.
    pub title: String,
    /// All its lines, the heading among them.
    pub text: String,
}

/// A table of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The headings of its columns.
    pub headings: Vec<String>,
    /// The cells, row by row.
    pub rows: Vec<Vec<String>>,
}

/// A snapshot's text without insta's header, which stands between two lines of `---`.
pub fn body(snapshot: &str) -> &str {
    let rest = snapshot.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    rest.map_or(snapshot, |(_header, body)| body)
}

/// The snapshot of a file, its header left out.
pub fn read(path: &Path) -> Result<String> {
    let text =
        fs::read_to_string(path).with_context(|| format!("no snapshot at {}", path.display()))?;
    Ok(body(&text).trim_end().to_owned())
}

/// The snapshot of a lab's demonstration, by its number, from the run as root on cgroup v1.
pub fn story_of(root: &Path, lab: &str) -> Result<PathBuf> {
    story_in(root, lab, "root-v1")
}

/// The same from the run in any of the tests' places.
pub fn story_in(root: &Path, lab: &str, place: &str) -> Result<PathBuf> {
    let labs = fs::read_dir(root.join("labs"))?.flatten().map(|entry| entry.path());
    let starts = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{lab}-")))
    };
    let directory = labs.into_iter().find(starts).with_context(|| format!("no lab {lab}"))?;
    Ok(directory.join(format!("tests/snapshots/demo@{place}.snap")))
}

/// The scenes of a demonstration.
pub fn scenes(text: &str) -> Vec<Scene> {
    let mut scenes: Vec<Scene> = Vec::new();
    for line in text.lines() {
        match heading(line) {
            Some((number, title)) => {
                scenes.push(Scene { number, title: title.to_owned(), text: format!("{line}\n") });
            }
            None => {
                if let Some(scene) = scenes.last_mut() {
                    scene.text += &format!("{line}\n");
                }
            }
        }
    }
    scenes
}

/// ` 3/12  What happens.`
fn heading(line: &str) -> Option<(usize, &str)> {
    let (numbers, title) = line.trim_start().split_once("  ")?;
    let (number, of) = numbers.split_once('/')?;
    of.parse::<usize>().ok()?;
    Some((number.parse().ok()?, title.trim()))
}

impl Scene {
    /// The scene of this number in the snapshot of a file.
    pub fn of(path: &Path, number: usize) -> Result<Self> {
        let found = scenes(&read(path)?).into_iter().find(|scene| scene.number == number);
        found.with_context(|| format!("no scene {number} in {}", path.display()))
    }

    /// What follows from it: the words after `=>`.
    pub fn conclusion(&self) -> String {
        let after = self.text.split_once("    => ").map_or("", |(_, after)| after);
        after.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Its tables, in order.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        for line in self.text.lines().map(str::trim) {
            let Some(inner) = line.strip_prefix('│').and_then(|it| it.strip_suffix('│')) else {
                if line.starts_with('╭') {
                    tables.push(Table { headings: Vec::new(), rows: Vec::new() });
                }
                continue;
            };
            let cells: Vec<_> = inner.split('│').map(|cell| cell.trim().to_owned()).collect();
            match tables.last_mut() {
                Some(table) if table.headings.is_empty() => table.headings = cells,
                Some(table) => table.rows.push(cells),
                None => {}
            }
        }
        tables
    }

    /// The table of this number, from 0, with at least so many columns.
    pub fn table(&self, number: usize, columns: usize) -> Result<Table> {
        let table = self.tables().into_iter().nth(number);
        let table = table.with_context(|| format!("no table {number} in {:?}", self.title))?;
        anyhow::ensure!(table.headings.len() >= columns, "{:?} has other columns", self.title);
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "lab: x\n\n 1/2  One.\n  call\n    ╭───┬───╮\n    │ a │ b │\n    ├───┼───┤\n    \
                         │ 1 │ 2 │\n    ╰───┴───╯\n    => It\n       holds.\n\n 2/2  Two.\n";

    #[test]
    fn a_story_has_scenes_and_these_have_tables() {
        let scenes = scenes(STORY);
        assert_eq!((scenes.len(), &*scenes[1].title), (2, "Two."));
        assert_eq!(scenes[0].conclusion(), "It holds.");
        let table = scenes[0].table(0, 2).unwrap();
        assert_eq!(
            (table.headings, table.rows),
            (vec!["a".into(), "b".into()], vec![vec!["1".into(), "2".into()]])
        );
        assert!(scenes[1].table(0, 1).is_err());
    }

    #[test]
    fn the_header_of_a_snapshot_is_left_out() {
        assert_eq!(body("---\nsource: x\n---\nhello\n"), "hello\n");
        assert_eq!(body("hello\n"), "hello\n");
    }
}
