//! The ledger: what tutorials say, beside what the kernel said when a scene asked it.
//!
//! `book/claims.txt` has the statements, and for each the scenes of the labs that are its experiment.
//! A lesson fails when the kernel contradicts it. So a line of the ledger has the words of a run for
//! its evidence, and no verdict without one.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

use crate::{html::escape, scenes};

/// A statement and its experiment.
struct Claim {
    id: String,
    /// Empty without an experiment.
    verdict: String,
    statement: String,
    /// As `01 A child gets`.
    scenes: Vec<String>,
}

/// All statements.
fn claims(root: &Path) -> Result<Vec<Claim>> {
    let list = fs::read_to_string(root.join("book/claims.txt")).context("book/claims.txt")?;
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| claim(line).with_context(|| format!("claims.txt: {line}"))).collect()
}

/// `N01 | holds | the statement | 01 A child; 02 A group`
fn claim(line: &str) -> Option<Claim> {
    let fields: Vec<_> = line.split('|').map(str::trim).collect();
    let [id, verdict, statement, scenes] = <[&str; 4]>::try_from(fields).ok()?;
    let scenes = scenes.split(';').map(str::trim).filter(|scene| !scene.is_empty());
    let scenes: Vec<_> = scenes.map(str::to_owned).collect();
    let verdict = if scenes.is_empty() { "" } else { verdict }.to_owned();
    Some(Claim { id: id.to_owned(), verdict, statement: statement.to_owned(), scenes })
}

/// `{{#claims}}`: the table of all statements.
///
/// # Errors
/// A line that makes no sense, or one whose scene there is not.
pub fn ledger(root: &Path) -> Result<String> {
    let claims = claims(root)?;
    let mut table = String::from("| | the statement | it | the experiment |\n|---|---|---|---|\n");
    for Claim { id, verdict, statement, scenes } in &claims {
        let cells: Vec<_> = scenes.iter().map(|it| cell(root, it)).collect::<Result<_>>()?;
        let cell = match cells.as_slice() {
            [] => "*waits for its experiment*".to_owned(),
            cells => cells.join("<br>"),
        };
        let statement = escape(statement).replace('`', "");
        table += &format!("| <a id=\"{id}\"></a>{id} | {statement} | **{verdict}** | {cell} |\n");
    }
    let shown = claims.iter().filter(|it| !it.scenes.is_empty()).count();
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
        let verdict = if claim.verdict.is_empty() { "waiting" } else { &claim.verdict };
        *counts.entry(verdict).or_default() += 1;
    }
    let counts: Vec<_> =
        counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    Ok(format!("{} claims: {}", claims.len(), counts.join("; ")))
}

/// What a scene shows, named `01 A child gets`.
fn cell(root: &Path, name: &str) -> Result<String> {
    let (lab, beginning) = name.split_once(' ').with_context(|| format!("{name}: LAB HEADING"))?;
    let story = scenes::read(&scenes::story_of(root, lab)?)?;
    let scene = scenes::scenes(&story).into_iter().find(|it| it.title.starts_with(beginning));
    let scene = scene.with_context(|| format!("lab {lab} has no scene {beginning:?}"))?;
    let (number, says) = (scene.number, escape(&scene.conclusion()));
    Ok(format!("`cargo run -p lab-{lab}`, scene {number}: {says}"))
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
        assert!(claim("N01 | holds | a | ").unwrap().verdict.is_empty());
        assert!(claim("N01 | holds").is_none());
    }

    #[test]
    fn a_scene_that_is_not_there_is_an_error() {
        assert!(cell(crate::root(), "01 A child that there is not").is_err());
    }
}
