//! The museum: mistakes that people made, each as a patch to what is right, with what came of it.
//!
//! What came of it is no claim: it is the snapshot of the test that makes the mistake and has it
//! graded (`tests/exercises.rs`).

use std::{fs, path::Path};

use ground::{Error, Result};
use similar::TextDiff;

use crate::{
    exercise::{Exercise, Variant},
    grade,
};

/// A mistake, its exercise, and its number in the museum.
#[derive(Debug, Clone, Copy)]
pub struct Exhibit<'a> {
    /// From 1 on.
    pub number: usize,
    /// Where it belongs.
    pub exercise: &'a Exercise,
    /// What was done.
    pub mistake: &'a Variant,
}

/// All of them, in the order of the exercises.
pub fn exhibits(exercises: &[Exercise]) -> Vec<Exhibit<'_>> {
    let all = exercises
        .iter()
        .flat_map(|exercise| exercise.mistakes.iter().map(move |mistake| (exercise, mistake)));
    let numbered = all.enumerate();
    numbered
        .map(|(at, (exercise, mistake))| Exhibit { number: at + 1, exercise, mistake })
        .collect()
}

/// All of them as pages of the book, a lab each.
///
/// # Errors
/// As [`Exhibit::symptom`].
pub fn pages(exercises: &[Exercise], root: &Path) -> Result<String> {
    let mut pages = String::new();
    let exhibits = exhibits(exercises);
    for lab in exhibits.chunk_by(|a, b| a.exercise.id.lab == b.exercise.id.lab) {
        pages += &format!("# Lab {:02}\n\n", lab[0].exercise.id.lab);
        for exhibit in lab {
            pages += &exhibit.section(root)?;
        }
    }
    Ok(pages)
}

impl Exhibit<'_> {
    /// The mistake as a patch to the solution.
    pub fn patch(&self) -> String {
        let diff = TextDiff::from_lines(&self.exercise.solution, &self.mistake.code);
        let patch = diff.unified_diff().context_radius(2).to_string();
        // The ranges mean nothing: what stands around the hole is not shown.
        patch.lines().filter(|line| !line.starts_with("@@")).map(|it| format!("{it}\n")).collect()
    }

    /// What whoever makes it sees: refused calls, the program's words, its status, and what the grader saw.
    ///
    /// # Errors
    /// When no test has recorded it.
    pub fn symptom(&self, root: &Path) -> Result<String> {
        let id = self.exercise.id;
        let file = format!("workbook/tests/snapshots/symptoms_{:02}@root-v1.snap", id.lab);
        let cannot =
            || Error::new("the museum has lost a symptom").see("workbook/tests/exercises.rs");
        let all = fs::read_to_string(root.join(&file))
            .map_err(|error| cannot().io(format_args!("open {file}"), &error))?;
        let heading = format!("\n== {id} {}\n", self.mistake.name);
        let (_, rest) = all
            .split_once(&heading)
            .ok_or_else(|| cannot().why(format!("{file} has no{}", heading.trim_end())))?;
        Ok(rest.split("\n== ").next().unwrap_or_default().trim_end().to_owned())
    }

    /// The exhibit as a section of the book.
    ///
    /// # Errors
    /// As [`symptom`](Self::symptom).
    pub fn section(&self, root: &Path) -> Result<String> {
        let Self { number, exercise, mistake } = self;
        let seen = match mistake.fact("thread") {
            "" => String::new(),
            thread => format!("; [seen by others]({thread})"),
        };
        Ok(format!(
            "## {number}. {}\n\n{}\n\n```diff\n{}```\n\n```text\n{}\n```\n\n{}\n\nExercise {}{seen}.\n\n",
            mistake.fact("title"),
            mistake.text,
            self.patch(),
            self.symptom(root)?,
            self.note(),
            exercise.id,
        ))
    }

    /// What the grader says about it.
    pub fn note(&self) -> &str {
        grade::note(self.exercise, self.mistake.fact("note"))
    }
}
