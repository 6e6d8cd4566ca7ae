//! The ledger: what tutorials say, beside what the kernel said when an experiment asked it.
//!
//! `book/claims.txt` has the statements, for each its experiments, and what their tables have to say if
//! it is true. An experiment is a scene of a lab, or what is run under a heading of a page or of a
//! session. The verdict is nobody's opinion: it follows from how many of these predictions have come true
//! in the run.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::{
    consoles,
    html::escape,
    predictions::{Contradiction, Prediction, Shown},
    scenes,
};

/// A statement and its experiment.
struct Claim {
    id: String,
    statement: String,
    experiments: Vec<Experiment>,
}

/// Where something is tried, and what it has to say.
struct Experiment {
    /// As `01 A child gets`, `02@root-v2 What does` or `book/src/notes/stop.md A shell`.
    place: String,
    predictions: Vec<Prediction>,
}

/// What came of an experiment.
struct Found {
    /// Where to find it, and what it said.
    says: String,
    /// How many predictions there were.
    predicted: usize,
    /// How many of them have not come true.
    contradicted: usize,
}

/// The place of the tests that needs no words: root on cgroup v1.
const ROOT: &str = "root-v1";

/// All statements.
fn claims(root: &Path) -> Result<Vec<Claim>> {
    let list = fs::read_to_string(root.join("book/claims.txt")).context("book/claims.txt")?;
    let mut claims = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        take(line, &mut claims).with_context(|| format!("claims.txt: {line}"))?;
    }
    Ok(claims)
}

/// A line: a claim at the margin, below it an experiment, below that a prediction.
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
            .push(Experiment { place: word.to_owned(), predictions: Vec::new() }),
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
        let (place, beginning) =
            self.place.split_once(' ').with_context(|| format!("{}: PLACE HEADING", self.place))?;
        match place.contains('/') {
            true => self.on_console(root, place, beginning),
            false => self.in_scene(root, place, beginning),
        }
    }

    /// A scene of a lab: its conclusion, and what was not as predicted.
    fn in_scene(&self, root: &Path, lab: &str, beginning: &str) -> Result<Found> {
        let (lab, place) = lab.split_once('@').unwrap_or((lab, ROOT));
        let scene = scene(root, lab, place, beginning)?;
        let same = place != ROOT
            && self::scene(root, lab, ROOT, beginning)?.conclusion() == scene.conclusion();
        let conclusion = if same { "the same".to_owned() } else { escape(&scene.conclusion()) };
        let number = scene.number;
        let shown = Shown { tables: scene.tables(), title: scene.title };
        let contradictions = self.contradictions(&shown)?;
        let but = contradictions.iter().map(|it| format!(" *But {}.*", escape(&it.to_string())));
        let says = format!(
            "`cargo run -p lab-{lab}`{}, scene {number}: {conclusion}{}",
            who_runs_it(place)?,
            but.collect::<String>()
        );
        Ok(self.with(says, &contradictions))
    }

    /// What is run under a heading: the commands that are predicted about, and what each said.
    fn on_console(&self, root: &Path, file: &str, beginning: &str) -> Result<Found> {
        let shown = consoles::console(root, file, beginning)?.shown();
        let contradictions = self.contradictions(&shown)?;
        let table = shown.tables.first().context("a console is a table")?;
        let meant = |at: usize| {
            let rows = self.predictions.iter().flat_map(|it| it.rows(table));
            self.predictions.is_empty() || rows.into_iter().any(|row| row.0 == at)
        };
        let rows = table.rows.iter().enumerate().filter(|(at, _)| meant(*at));
        let said = rows.map(|(at, row)| {
            let but = contradictions.iter().filter(|it| it.at == at);
            let but = but.map(|it| format!(" *But predicted was {}.*", instead(it)));
            format!("<br>{}{}", command(row), but.collect::<String>())
        });
        let says = format!("{}:{}", where_it_stands(file, &shown.title), said.collect::<String>());
        Ok(self.with(says, &contradictions))
    }

    fn contradictions(&self, shown: &Shown) -> Result<Vec<Contradiction>> {
        let said = self.predictions.iter().map(|it| it.contradiction(shown));
        Ok(said.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn with(&self, says: String, contradictions: &[Contradiction]) -> Found {
        Found { says, predicted: self.predictions.len(), contradicted: contradictions.len() }
    }
}

/// The scene of a lab whose heading begins so, from the run in a place.
fn scene(root: &Path, lab: &str, place: &str, beginning: &str) -> Result<scenes::Scene> {
    let story = scenes::read(&scenes::story_in(root, lab, place)?)?;
    let scene = scenes::scenes(&story).into_iter().find(|it| it.title.starts_with(beginning));
    scene.with_context(|| format!("lab {lab} has no scene {beginning:?}"))
}

/// In words, where it is not root on cgroup v1.
fn who_runs_it(place: &str) -> Result<&'static str> {
    Ok(match place {
        ROOT => "",
        "root-v2" => ", where there is only cgroup v2",
        "user-v1" => ", as an ordinary user",
        _ => bail!("no words for {place}"),
    })
}

/// A command, and what it said. What follows an error's first line is left to the page.
fn command(row: &[String]) -> String {
    let said = row[1].split(" /   ").next().unwrap_or_default();
    let said = if said.is_empty() { "says nothing".to_owned() } else { code(said) };
    let status = match row[2].as_str() {
        "0" => String::new(),
        status => escape(&format!(" [{status}]")),
    };
    format!("{}: {said}{status}", code(row[0].trim_start_matches("$ ")))
}

/// What was predicted instead.
fn instead(it: &Contradiction) -> String {
    match (&*it.column, &*it.predicted) {
        ("status", "another") => "another status".to_owned(),
        ("status", status) => format!("status {status}"),
        (_, "another") => "something else".to_owned(),
        (_, "") => "nothing".to_owned(),
        (_, predicted) => escape(predicted),
    }
}

/// Letter by letter: without the quotation marks and dashes that a page makes of words.
fn code(text: &str) -> String {
    let text =
        escape(text).replace('\'', "&#39;").replace("--", "&#45;&#45;").replace('`', "&#96;");
    format!("<code>{}</code>", text.replace("...", "&#46;&#46;&#46;"))
}

/// A link to a heading of a page of the book; any other file by its name.
fn where_it_stands(file: &str, title: &str) -> String {
    match file.strip_prefix("book/src/") {
        Some(page) => format!("[{}]({page}#{})", escape(title), id(title)),
        None => format!("`{file}`, {}", escape(title)),
    }
}

/// A heading's id, as mdBook makes it of the words.
fn id(title: &str) -> String {
    let letters = title.trim().to_lowercase();
    let letters = letters.chars().map(|it| if it.is_whitespace() { '-' } else { it });
    letters.filter(|it| it.is_alphanumeric() || matches!(it, '-' | '_')).collect()
}

/// What follows from all that was found.
fn verdict(found: &[Found]) -> &'static str {
    let predicted: usize = found.iter().map(|it| it.predicted).sum();
    let contradicted: usize = found.iter().map(|it| it.contradicted).sum();
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
/// A line that makes no sense, or one whose experiment or cell there is not.
pub fn ledger(root: &Path) -> Result<String> {
    let claims = claims(root)?;
    let mut table = String::from("| | the statement | it | the experiment |\n|---|---|---|---|\n");
    for claim in &claims {
        let found = claim.found(root)?;
        let cell = match found.as_slice() {
            [] => "*waits for its experiment*".to_owned(),
            found => found.iter().map(|it| &*it.says).collect::<Vec<_>>().join("<br>"),
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
    fn every_claim_has_the_experiments_that_it_names() {
        let ledger = ledger(crate::root()).unwrap();
        assert!(ledger.contains("N03") && ledger.contains("They hide in one direction only."));
    }

    #[test]
    fn a_claim_shows_the_commands_that_it_is_about() {
        let mut claims = Vec::new();
        for line in [
            "D01 | A statement.",
            "  book/src/how-to.md What a transcript",
            "    $ lab-01 run --hostname box | says | = else",
            "    $ lab-01 run --pid | status | = 7",
        ] {
            take(line, &mut claims).unwrap();
        }
        let found = claims[0].found(crate::root()).unwrap();
        assert_eq!(verdict(&found), "holds in part");
        let says = &found[0].says;
        assert!(says.starts_with("[What a transcript means](how-to.md#what-a-transcript-means)"));
        assert!(
            says.contains("uname -n</code>: <code>box</code> *But predicted was else.*"),
            "{says}"
        );
        assert!(says.contains("I am 1</code> &#91;7&#93;") && !says.contains("id -u"), "{says}");
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
        let found =
            |predicted, contradicted| Found { says: String::new(), predicted, contradicted };
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
        claims[0].experiments[0].place = "01@the-moon A child gets".to_owned();
        assert!(claims[0].found(crate::root()).is_err());
        assert!(take("    no prediction", &mut claims).is_none());
    }
}
