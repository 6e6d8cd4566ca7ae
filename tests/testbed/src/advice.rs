//! The advice of every step of a lab: none is forgotten, and none is left without words.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use nix::errno::Errno;
use regex::Regex;

/// A step with the errnos that its calls answer with, by their manual pages.
pub struct Advised<'a> {
    /// The name of its type.
    pub step: &'a str,
    /// What makes this one special among the steps of that type.
    pub which: &'a str,
    /// The errnos.
    pub errnos: &'a [Errno],
    /// What the step says to an errno, else what is said everywhere.
    pub fix: &'a dyn Fn(Errno) -> Option<&'static str>,
}

impl std::fmt::Debug for Advised<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.step, self.which)
    }
}

/// The table `step, errno, advice` of a package.
///
/// # Panics
/// An errno without advice; a step in the sources of the library at `package` that is missing here,
/// unless it is in `silent`: nothing of it can fail.
#[track_caller]
pub fn advice(package: &str, steps: &[Advised<'_>], silent: &[&str]) -> String {
    let here: BTreeSet<String> = steps.iter().map(|it| it.step.to_owned()).collect();
    let named = |it: &&String| !here.contains(*it) && !silent.contains(&it.as_str());
    let all = steps_in(&Path::new(package).join("src"));
    let missing: Vec<&String> = all.iter().filter(named).collect();
    assert!(missing.is_empty(), "the advice of these steps is not looked at: {missing:?}");
    let mut text = String::new();
    for step in steps {
        writeln!(text, "{}", format!("{} {}", step.step, step.which).trim()).expect("a string");
        for errno in step.errnos {
            let fix = (step.fix)(*errno);
            let fix = fix.unwrap_or_else(|| panic!("{step:?} has no advice for {errno:?}"));
            writeln!(text, "  {errno:?}: {}", fix.replace('\n', "\n    ")).expect("a string");
        }
    }
    text
}

/// The types below a directory that are steps. What only a demonstration or a tool has cannot be
/// made outside of its program.
fn steps_in(dir: &Path) -> BTreeSet<String> {
    let step = Regex::new(r"(?m)^impl Step for (\w+)").expect("a pattern");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).expect("sources").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "demo" && name != "commands" {
            found.extend(steps_in(&path));
        } else if path.is_file() {
            let text = fs::read_to_string(&path).expect("sources");
            found.extend(step.captures_iter(&text).map(|it| it[1].to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../labs/05-setns");

    #[test]
    #[should_panic(expected = r#"not looked at: ["JoinFile", "JoinProcess", "Surroundings"]"#)]
    fn a_step_that_is_forgotten_is_named() {
        advice(PACKAGE, &[], &["BecomeRoot"]);
    }

    #[test]
    #[should_panic(expected = "Join by file has no advice for EPERM")]
    fn an_errno_without_advice_is_named() {
        let [step, which] = ["Join", "by file"];
        let join = Advised { step, which, errnos: &[Errno::EPERM], fix: &|_| None };
        advice(PACKAGE, &[join], &["BecomeRoot", "JoinFile", "JoinProcess", "Surroundings"]);
    }
}
