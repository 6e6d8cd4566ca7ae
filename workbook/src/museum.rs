//! The museum: mistakes that people made, each as a patch to what is right.

use similar::TextDiff;

use crate::exercise::{Exercise, Variant};

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

impl Exhibit<'_> {
    /// The mistake as a patch to the solution.
    pub fn patch(&self) -> String {
        let diff = TextDiff::from_lines(&self.exercise.solution, &self.mistake.code);
        let patch = diff.unified_diff().context_radius(2).to_string();
        // The ranges mean nothing: what stands around the hole is not shown.
        patch.lines().filter(|line| !line.starts_with("@@")).map(|it| format!("{it}\n")).collect()
    }

    /// What the grader says about it.
    pub fn note(&self) -> &str {
        let note = self.exercise.notes.get(self.mistake.fact("note"));
        note.map(String::as_str).unwrap_or_default()
    }
}
