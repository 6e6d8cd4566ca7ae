//! The ledger: what tutorials say, beside what the kernel said when a scene asked it.
//!
//! `book/claims.txt` has the statements, for each the scenes of the labs that are its experiment, and
//! what their tables have to say if it is true. The verdict is nobody's opinion: it follows from how
//! many of these predictions have come true in the run.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

use crate::{html::escape, predictions::Prediction, scenes};

/// A statement and its experiment.
struct Claim {
    id: String,
    statement: String,
    experiments: Vec<Experiment>,
}

/// A scene, and what it has to say.
struct Experiment {
    /// As `01 A child gets`.
    scene: String,
    predictions: Vec<Prediction>,
}

/// What came of an experiment.
struct Found {
    /// The scene's words.
    says: String,
    /// How many predictions there were.
    predicted: usize,
    /// What was said instead of what was predicted.
    contradictions: Vec<String>,
}

/// All statements.
fn claims(root: &Path) -> Result<Vec<Claim>> {
    let list = fs::read_to_string(root.join("book/claims.txt")).context("book/claims.txt")?;
    let mut claims = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        take(line, &mut claims).with_context(|| format!("claims.txt: {line}"))?;
    }
    Ok(claims)
}

/// A line: a claim at the margin, below it a scene, below that a prediction.
fn take(line: &str, claims: &mut Vec<Claim>) -> Option<()> {
    let word = line.trim_start();
    match line.len() - word.len() {
        0 => {
            let (id, statement) = word.split_once(" | ")?;
            let [id, statement] = [id, statement].map(str::to_owned);
            claims.push(Claim { id, statement, experiments: Vec::new() });
        }
        2 => claims
            .last_mut()?
            .experiments
            .push(Experiment { scene: word.to_owned(), predictions: Vec::new() }),
        _ => {
            claims.last_mut()?.experiments.last_mut()?.predictions.push(Prediction::parse(word)?);
        }
    }
    Some(())
}

impl Claim {
    fn found(&self, root: &Path) -> Result<Vec<Found>> {
        let found = self.experiments.iter().map(|it| it.found(root));
        found.collect::<Result<_>>().with_context(|| self.id.clone())
    }
}

impl Experiment {
    fn found(&self, root: &Path) -> Result<Found> {
        let (lab, beginning) =
            self.scene.split_once(' ').with_context(|| format!("{}: LAB HEADING", self.scene))?;
        let story = scenes::read(&scenes::story_of(root, lab)?)?;
        let scene = scenes::scenes(&story).into_iter().find(|it| it.title.starts_with(beginning));
        let scene = scene.with_context(|| format!("lab {lab} has no scene {beginning:?}"))?;
        let said = self.predictions.iter().map(|it| it.contradiction(&scene));
        let (number, says) = (scene.number, escape(&scene.conclusion()));
        Ok(Found {
            says: format!("`cargo run -p lab-{lab}`, scene {number}: {says}"),
            predicted: self.predictions.len(),
            contradictions: said.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect(),
        })
    }
}

impl Found {
    fn cell(&self) -> String {
        let but = self.contradictions.iter().map(|it| format!(" *But {}.*", escape(it)));
        format!("{}{}", self.says, but.collect::<String>())
    }
}

/// What follows from all that was found.
fn verdict(found: &[Found]) -> &'static str {
    let predicted: usize = found.iter().map(|it| it.predicted).sum();
    let contradicted: usize = found.iter().map(|it| it.contradictions.len()).sum();
    match (found, predicted, contradicted) {
        ([], ..) => "",
        (_, 0, _) => "measured",
        (.., 0) => "holds",
        (_, all, wrong) if all == wrong => "wrong",
        _ => "holds in part",
    }
}

/// `{{#claims}}`: the table of all statements.
///
/// # Errors
/// A line that makes no sense, or one whose scene or cell there is not.
pub fn ledger(root: &Path) -> Result<String> {
    let claims = claims(root)?;
    let mut table = String::from("| | the statement | it | the experiment |\n|---|---|---|---|\n");
    for claim in &claims {
        let found = claim.found(root)?;
        let cell = match found.as_slice() {
            [] => "*waits for its experiment*".to_owned(),
            found => found.iter().map(Found::cell).collect::<Vec<_>>().join("<br>"),
        };
        let (id, statement) = (&claim.id, escape(&claim.statement).replace('`', ""));
        let verdict = verdict(&found);
        table += &format!("| <a id=\"{id}\"></a>{id} | {statement} | **{verdict}** | {cell} |\n");
    }
    let shown = claims.iter().filter(|it| !it.experiments.is_empty()).count();
    let table = table.replace("****", "");
    Ok(format!(
        "{shown} of {} statements have an experiment that runs with every test.\n\n{table}",
        claims.len()
    ))
}

/// How many statements there are, by verdict, in a line.
///
/// # Errors
/// A line that makes no sense.
pub fn counts(root: &Path) -> Result<String> {
    let claims = claims(root)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for claim in &claims {
        let verdict = verdict(&claim.found(root)?);
        *counts.entry(if verdict.is_empty() { "waiting" } else { verdict }).or_default() += 1;
    }
    let counts: Vec<_> =
        counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    Ok(format!("{} claims: {}", claims.len(), counts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_has_the_scenes_that_it_names() {
        let ledger = ledger(crate::root()).unwrap();
        assert!(ledger.contains("N03") && ledger.contains("They hide in one direction only."));
    }

    #[test]
    fn claims_are_counted_by_their_verdict() {
        let counts = counts(crate::root()).unwrap();
        let numbers =
            counts.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok());
        let numbers: Vec<usize> = numbers.collect();
        assert_eq!(numbers[0], numbers[1..].iter().sum::<usize>(), "{counts}");
    }

    #[test]
    fn a_verdict_follows_from_what_was_predicted() {
        let found = |predicted, wrong| Found {
            says: String::new(),
            predicted,
            contradictions: vec![String::new(); wrong],
        };
        assert_eq!(verdict(&[]), "");
        assert_eq!(verdict(&[found(0, 0)]), "measured");
        assert_eq!(verdict(&[found(2, 0), found(0, 0)]), "holds");
        assert_eq!(verdict(&[found(2, 0), found(1, 1)]), "holds in part");
        assert_eq!(verdict(&[found(2, 2), found(1, 1)]), "wrong");
    }

    #[test]
    fn a_scene_that_is_not_there_is_an_error() {
        let mut claims = Vec::new();
        for line in ["N01 | A statement.", "  01 A child that there is not"] {
            take(line, &mut claims).unwrap();
        }
        assert!(claims[0].found(crate::root()).is_err());
        assert!(take("    no prediction", &mut claims).is_none());
    }
}
