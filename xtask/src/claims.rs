//! The ledger: what tutorials say, beside what the kernel said when a scene asked it.
//!
//! `book/claims.txt` has the statements, and for each the scenes of the labs that are its experiment.
//! A lesson fails when the kernel contradicts it. So a line of the ledger has the words of a run for
//! its evidence, and no verdict without one.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{html::escape, scenes};

/// `{{#claims}}`: the table of all statements.
///
/// # Errors
/// A line that makes no sense, or one whose scene there is not.
pub fn ledger(root: &Path) -> Result<String> {
    let list = fs::read_to_string(root.join("book/claims.txt")).context("book/claims.txt")?;
    let mut table = String::from("| | the statement | it | the experiment |\n|---|---|---|---|\n");
    let (mut shown, mut all) = (0, 0);
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let [id, verdict, statement, scenes] =
            fields(line).with_context(|| format!("claims.txt: {line}"))?;
        let experiments = scenes.split(';').map(str::trim).filter(|scene| !scene.is_empty());
        let experiments: Vec<_> = experiments.map(|it| cell(root, it)).collect::<Result<_>>()?;
        let (verdict, cell) = match experiments.as_slice() {
            [] => ("", "*waits for its experiment*".to_owned()),
            cells => (verdict, cells.join("<br>")),
        };
        all += 1;
        shown += usize::from(!experiments.is_empty());
        let statement = escape(statement).replace('`', "");
        table += &format!("| <a id=\"{id}\"></a>{id} | {statement} | **{verdict}** | {cell} |\n");
    }
    let table = table.replace("****", "");
    Ok(format!(
        "{shown} of {all} statements have an experiment that runs with every test.\n\n{table}"
    ))
}

/// `N01 | holds | the statement | 01 A child`
fn fields(line: &str) -> Option<[&str; 4]> {
    let fields: Vec<_> = line.split('|').map(str::trim).collect();
    fields.try_into().ok()
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
    fn a_scene_that_is_not_there_is_an_error() {
        assert!(cell(crate::root(), "01 A child that there is not").is_err());
    }
}
