//! An exercise is a page of Markdown: the task, the program with a hole in it, hints, and what fits the hole.
//!
//! ```text
//! # 01.2 A name of its own          title; then `name: value` lines and the task
//! ## program                        the program; `// @answer FILE:ANCHOR` is the hole, cut from a lab
//! ## begin                          what stands in the hole at first, if that is not todo!()
//! ## hint 1, 2, 3                   what helps, the answer last
//! ## note NAME                      what a mistake means; the grader chooses one
//! ## solution                       what fits, where it is not cut from a lab
//! ## right NAME                     fits as well
//! ## mistake NAME                   does not: `title:`, `thread:`, `note:`, and why
//! ## cheat NAME                     prints what would be right, without doing it
//! ```

use std::{collections::BTreeMap, fmt, fs, path::Path, str::FromStr};

use ground::{Error, Result};

use crate::source::{self, Anchor};

/// Which exercise: `04.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The lab.
    pub lab: u8,
    /// The number within the lab, from 1 on.
    pub number: u8,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}.{}", self.lab, self.number)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('.').and_then(|(lab, number)| {
            Some(Self { lab: lab.parse().ok()?, number: number.parse().ok()? })
        });
        numbers.ok_or_else(|| {
            Error::new(format!("'{text}' is no exercise"))
                .why("an exercise is named by its lab and its number, as 04.2")
                .fix("cargo workbook list")
        })
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Write a step.
    Write,
    /// Find the bug.
    Find,
    /// Say beforehand what the kernel will say.
    Predict,
    /// Break out, then close the hole.
    Break,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Write, Self::Find, Self::Predict, Self::Break];

    /// Its word in a page.
    pub fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Find => "find",
            Self::Predict => "predict",
            Self::Break => "break",
        }
    }
}

/// Something that can stand in the hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its name, as `ms-private-without-ms-rec`.
    pub name: String,
    /// Its `name: value` lines.
    pub facts: BTreeMap<String, String>,
    /// What is said of it.
    pub text: String,
    /// The code.
    pub code: String,
}

impl Variant {
    /// The value of a line; empty where there is none.
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// One exercise.
#[derive(Debug, Clone)]
pub struct Exercise {
    /// Which.
    pub id: Id,
    /// Its title.
    pub title: String,
    /// What is asked for.
    pub kind: Kind,
    /// What is to be done.
    pub task: String,
    /// The three hints.
    pub hints: Vec<String>,
    /// What a mistake means, by the name that the grader gives it.
    pub notes: BTreeMap<String, String>,
    /// Where the solution is cut from.
    pub anchor: Option<Anchor>,
    /// The solution.
    pub solution: String,
    /// Other right solutions.
    pub rights: Vec<Variant>,
    /// Mistakes that people made.
    pub mistakes: Vec<Variant>,
    /// What does not do what it says.
    pub cheats: Vec<Variant>,
    program: String,
    begin: Option<String>,
}

impl Exercise {
    /// Reads a page; `root` is the directory of the labs' sources.
    ///
    /// # Errors
    /// What is missing from the page, or an anchor that is not there.
    pub fn parse(page: &str, root: &Path) -> Result<Self> {
        let page = Page::parse(page);
        let (id, title) = page.title.split_once(' ').unwrap_or((&page.title, ""));
        let id: Id = id.parse()?;
        let wrong = |what: &str| Error::new(format!("exercise {id} has {what}"));
        let (facts, task) = facts_and_text(&page.head);
        let word = facts.get("kind").map(String::as_str).unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word);
        let program = code(page.section("program").ok_or_else(|| wrong("no program"))?);
        let anchor = source::answer_anchor(&program);
        let solution = match (page.section("solution"), &anchor) {
            (Some(section), _) => code(section),
            (None, Some(anchor)) => anchor.text(root)?,
            (None, None) => return Err(wrong("no solution")),
        };
        let hints = (1..=3).map(|level| page.section(&format!("hint {level}")));
        let hints: Option<Vec<_>> = hints.map(|it| it.map(|it| it.trim().to_owned())).collect();
        Ok(Self {
            id,
            title: title.to_owned(),
            kind: kind.ok_or_else(|| wrong("no kind"))?,
            task,
            hints: hints.ok_or_else(|| wrong("fewer than three hints"))?,
            notes: page.named("note").map(|(name, text)| (name, text.trim().to_owned())).collect(),
            program: source::with_includes(&program, root)?,
            anchor,
            solution,
            begin: page.section("begin").map(code),
            rights: page.variants("right"),
            mistakes: page.variants("mistake"),
            cheats: page.variants("cheat"),
        })
    }

    /// The program as the learner gets it.
    pub fn unsolved(&self) -> String {
        let todo = "todo!(\"your part\");".to_owned();
        source::with_answer(&self.program, self.begin.as_ref().unwrap_or(&todo))
    }

    /// The program with this in its hole.
    pub fn with(&self, answer: &str) -> String {
        source::with_answer(&self.program, answer)
    }
}

/// All exercises, in order.
///
/// # Errors
/// A page that cannot be read.
pub fn all(root: &Path) -> Result<Vec<Exercise>> {
    let directory = root.join("workbook/exercises");
    let cannot = |path: &Path, error: &std::io::Error| {
        Error::new("cannot read the exercises")
            .io(format_args!("open {}", path.display()), error)
            .fix("the workbook reads them from the repository: run it there, by cargo workbook")
    };
    let entries = fs::read_dir(&directory).map_err(|error| cannot(&directory, &error))?;
    let mut exercises = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|it| it == "md") {
            let page = fs::read_to_string(&path).map_err(|error| cannot(&path, &error))?;
            exercises.push(Exercise::parse(&page, root)?);
        }
    }
    exercises.sort_by_key(|exercise| exercise.id);
    Ok(exercises)
}

/// A page, cut at its headings.
struct Page {
    title: String,
    head: String,
    sections: Vec<(String, String)>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let mut page = Self { title: String::new(), head: String::new(), sections: Vec::new() };
        let mut fenced = false;
        for line in text.lines() {
            fenced ^= line.starts_with("```");
            if let (false, Some(title)) = (fenced, line.strip_prefix("# ")) {
                title.clone_into(&mut page.title);
            } else if let (false, Some(name)) = (fenced, line.strip_prefix("## ")) {
                page.sections.push((name.trim().to_owned(), String::new()));
            } else {
                let text = page.sections.last_mut().map_or(&mut page.head, |(_, text)| text);
                text.push_str(line);
                text.push('\n');
            }
        }
        page
    }

    fn section(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|(it, _)| it == name).map(|(_, text)| text.as_str())
    }

    /// The sections `WORD NAME`.
    fn named(&self, word: &str) -> impl Iterator<Item = (String, &str)> {
        self.sections.iter().filter_map(move |(name, text)| {
            let name = name.strip_prefix(word)?.strip_prefix(' ')?;
            Some((name.to_owned(), text.as_str()))
        })
    }

    fn variants(&self, word: &str) -> Vec<Variant> {
        let variants = self.named(word).map(|(name, section)| {
            let (facts, text) = facts_and_text(section);
            Variant { name, facts, text, code: code(section) }
        });
        variants.collect()
    }
}

/// The lines `name: value` at the beginning, and the prose after them.
fn facts_and_text(section: &str) -> (BTreeMap<String, String>, String) {
    let prose = section.split("```").next().unwrap_or_default();
    let fact = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let is_name = name.chars().all(|c| c.is_ascii_lowercase());
        is_name.then(|| (name.to_owned(), value.trim().to_owned()))
    };
    let lines: Vec<_> = prose.trim_start().lines().collect();
    let facts: BTreeMap<_, _> = lines.iter().map_while(|line| fact(line)).collect();
    let text = lines[facts.len().min(lines.len())..].join("\n");
    (facts, text.trim().to_owned())
}

/// The code between the fences.
fn code(section: &str) -> String {
    let lines = section.lines().skip_while(|line| !line.starts_with("```")).skip(1);
    lines.take_while(|line| !line.starts_with("```")).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_at_its_headings() {
        let text = "# 01.2 A name\nkind: write\n\nDo it.\n## program\n```rust\n# not a heading\n    // @answer\n```\n\
                    ## solution\n```rust\nright();\n```\n## hint 1\na\n## hint 2\nb\n## hint 3\nc\n\
                    ## mistake one\ntitle: One\nnote: n\n\nBecause.\n```rust\nwrong();\n```\n";
        let exercise = Exercise::parse(text, Path::new("/")).unwrap();
        assert_eq!((exercise.id.to_string().as_str(), exercise.task.as_str()), ("01.2", "Do it."));
        assert_eq!(exercise.mistakes[0].fact("note"), "n");
        assert_eq!(exercise.mistakes[0].text, "Because.");
        assert!(exercise.with(&exercise.solution).contains("    right();\n"));
        assert!(exercise.unsolved().contains("todo!"));
    }

    #[test]
    fn an_exercise_is_named_by_lab_and_number() {
        assert_eq!("04.2".parse::<Id>().unwrap(), Id { lab: 4, number: 2 });
        assert_eq!("4.2".parse::<Id>().unwrap().to_string(), "04.2");
        assert!("four".parse::<Id>().is_err());
    }
}
