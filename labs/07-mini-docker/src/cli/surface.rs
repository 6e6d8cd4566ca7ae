//! The surface: every verb and flag has a proof, or this test fails.
//!
//! `tests/surface.txt` has a line for each verb, flag and argument of the command line: what it is,
//! and where it is proven. A proof is a test (`engine/lifecycle::a_name`), a session that is played
//! to docker as well (`session/everyday/run`), or a page of the book, whose blocks are run
//! (`book/verbs/ps`). It has to be there, and to have a line in which somebody calls the verb with the
//! flag.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::{Arg, Command};

/// What can be typed: `ps --quiet -q`, `volume ls`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    verb: String,
    long: Option<String>,
    short: Option<char>,
}

impl Word {
    /// How it stands in the table.
    fn name(&self) -> String {
        let flag = match (&self.long, self.short) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => String::new(),
        };
        format!("{} {flag}", self.verb).trim().to_owned()
    }

    /// Whether a test types it: verb and flag in a line.
    fn is_typed_in(&self, text: &str) -> bool {
        text.lines().any(|line| self.is_in(line))
    }

    /// Whether somebody types it in this line; the flags of `create` are those of `run`.
    fn is_in(&self, line: &str) -> bool {
        let is_flag = self.long.is_some() || self.short.is_some();
        let also = (is_flag && self.verb == "run").then_some("create");
        let verbs = [self.verb.as_str()].into_iter().chain(also);
        verbs.flat_map(|verb| calls(line, verb)).any(|mut flags| match &self.long {
            long if is_flag => flags.any(|word| is_typed(word, long.as_deref(), self.short)),
            _ => true,
        })
    }
}

/// What stands behind a verb, each time that somebody calls it in this line.
fn calls<'a>(line: &'a str, verb: &'a str) -> impl Iterator<Item = impl Iterator<Item = &'a str>> {
    let is_part = |it: char| it.is_ascii_alphanumeric() || "-_=".contains(it);
    line.match_indices(verb).filter_map(move |(at, _)| {
        let (before, behind) = (&line[..at], &line[at + verb.len()..]);
        let is_whole = verb.is_empty() || is_called(before) && !behind.starts_with(is_part);
        is_whole.then(|| behind.split(move |it| !is_part(it)))
    })
}

/// How tests, sessions and pages call mini-docker.
const CALLERS: [&str; 10] =
    ["md", "docker", "podman", "mini-docker", "BIN", "try", "fails", "recovers", "stages", "verb"];

/// Whether what comes next is a verb: the word before it is the program's name, but for its own
/// options, or it is the first word of a text.
fn is_called(before: &str) -> bool {
    if !before.ends_with(' ') {
        return before.ends_with(['"', '\'']);
    }
    let mut words = before.split_whitespace().rev();
    let mut caller = words.next();
    while let Some("--root") = words.clone().next() {
        caller = words.nth(1);
    }
    let name = |word: &str| {
        let word = word.trim_end_matches('"');
        word.rsplit(|it: char| !(it.is_ascii_alphanumeric() || "-_".contains(it)))
            .next()
            .is_some_and(|it| CALLERS.contains(&it))
    };
    caller.is_some_and(name)
}

fn is_typed(word: &str, long: Option<&str>, short: Option<char>) -> bool {
    match word.strip_prefix("--") {
        Some(name) => long.is_some_and(|long| name.split('=').next() == Some(long)),
        None => word.strip_prefix('-').zip(short).is_some_and(|(letters, short)| {
            letters.split('=').next().is_some_and(|it| it.contains(short))
        }),
    }
}

/// All verbs and flags below `command`, without those that are hidden.
fn walk(command: &Command, path: &str, found: &mut BTreeSet<Word>) {
    let shown =
        |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    for arg in command.get_arguments().filter(shown).filter(|arg| !arg.is_positional()) {
        let long = arg.get_long().map(str::to_owned);
        found.insert(Word { verb: path.to_owned(), long, short: arg.get_short() });
    }
    for verb in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        let path = format!("{path} {}", verb.get_name()).trim().to_owned();
        if !verb.has_subcommands() {
            found.insert(Word { verb: path.clone(), long: None, short: None });
        }
        walk(verb, &path, found);
    }
}

/// What is said in several words and is one thing: the flags of `create` are those of `run`, and
/// `container ls` is `ps`.
fn plain(word: &Word) -> Word {
    let verb = match word.verb.split_once(' ') {
        Some(("container", "ls")) => "ps",
        Some(("image", "ls")) => "images",
        Some(("image", "rm")) => "rmi",
        Some(("container", "create")) => "create",
        Some(("container" | "image", verb)) => verb,
        _ => &word.verb,
    };
    let verb = if verb == "create" && word.long.is_some() { "run" } else { verb };
    Word { verb: verb.to_owned(), ..word.clone() }
}

/// Everything, each thing once.
fn surface() -> BTreeSet<Word> {
    let mut all = BTreeSet::new();
    walk(&super::plain_command(), "", &mut all);
    let is_one = |it: &&Word| plain(it) == **it || !all.contains(&plain(it));
    all.iter().filter(is_one).cloned().collect()
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a proof; for a test the file that it is in.
fn text_of(proof: &str) -> Result<String, String> {
    let (place, name) = proof.split_once('/').ok_or_else(|| format!("'{proof}' is no proof"))?;
    let (file, test) =
        name.split_once("::").map_or((name, None), |(file, test)| (file, Some(test)));
    let path = match place {
        "engine" => format!("tests/engine/{file}.rs"),
        "tests" => format!("tests/{file}.rs"),
        "cli" => format!("src/cli/{file}.rs"),
        "peers" => format!("../../tests/peers/tests/{file}.rs"),
        "session" => format!("../../tests/peers/sessions/{file}.console"),
        "book" => format!("../../book/src/{file}.md"),
        _ => return Err(format!("'{place}' is no place of proofs")),
    };
    let text = fs::read_to_string(here(&path)).map_err(|error| format!("{path}: {error}"))?;
    let body = match test {
        Some(test) => body_of(&text, test).ok_or_else(|| format!("{path} has no test {test}"))?,
        None => &text,
    };
    Ok(body.replace("\\\n", " "))
}

/// A test and the functions between it and the next one, or a check that is made in several places; the whole
/// file where a macro makes several tests of one function.
fn body_of<'a>(text: &'a str, test: &str) -> Option<&'a str> {
    let body = |begin: String, end: &str| {
        let body = &text[text.find(&begin)?..];
        Some(body.find(end).map_or(body, |end| &body[..end]))
    };
    body(format!("fn {test}("), "#[test]")
        .or_else(|| body(format!("\n    {test}(place) {{"), "\n    }\n"))
        .or_else(|| text.contains(&format!(" {test}: ")).then_some(text))
}

/// The lines of the table: what, and where it is proven.
fn table() -> BTreeMap<String, String> {
    let text = fs::read_to_string(here("tests/surface.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = |line: &str| {
        let (what, proof) = line.split_once("  ").unwrap_or((line, ""));
        (what.to_owned(), proof.trim().to_owned())
    };
    lines.map(line).collect()
}

#[test]
fn every_verb_and_flag_has_a_proof() {
    let (surface, table) = (surface(), table());
    let mut wrong: Vec<String> = Vec::new();
    for word in &surface {
        let name = word.name();
        match table.get(&name).map(|proof| text_of(proof)) {
            None => wrong.push(format!("{name} ({:?}): no line in the table", word.short)),
            Some(Err(why)) => wrong.push(format!("{name}: {why}")),
            Some(Ok(text)) if word.is_typed_in(&text) => {}
            Some(Ok(_)) => wrong.push(format!("{name}: its proof never types it")),
        }
    }
    let names: BTreeSet<String> = surface.iter().map(Word::name).collect();
    let gone = table.keys().filter(|name| !names.contains(*name));
    wrong.extend(gone.map(|name| format!("{name}: the command line does not have it")));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), surface.len(), wrong.join("\n"));
}

/// The text of all files of the tests, with their names.
fn tests(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match fs::read_to_string(&path) {
            Ok(text) => found.push((path, text)),
            Err(_) => tests(&path, found),
        }
    }
}

/// The flags of a line, as in `--force`.
fn flags_of(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|it: char| !(it.is_ascii_alphanumeric() || it == '-'));
    words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty())
}

#[test]
fn what_a_fix_advises_can_be_typed() {
    // Flags of the programs that a fix names.
    let of_others = ["scope"];
    let mut known = BTreeSet::new();
    walk(&super::plain_command(), "", &mut known);
    let mut known: BTreeSet<String> = known.into_iter().filter_map(|word| word.long).collect();
    known.insert("help".into());
    let mut files = Vec::new();
    tests(&here("tests"), &mut files);
    for (path, text) in files {
        for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("fix: ")) {
            let unknown = |flag: &&str| !known.contains(*flag) && !of_others.contains(flag);
            let unknown: Vec<&str> = flags_of(line).filter(unknown).collect();
            assert!(unknown.is_empty(), "{unknown:?} in {}: {line}", path.display());
        }
    }
}

#[test]
fn a_word_is_found_where_it_is_typed() {
    let word =
        |verb: &str, long: &str, short| Word { verb: verb.into(), long: Some(long.into()), short };
    assert!(word("ps", "quiet", Some('q')).is_in("md ps -aq"));
    assert!(word("ps", "quiet", Some('q')).is_in(r#"&["ps", "--quiet"]"#));
    assert!(
        word("network create", "subnet", None).is_in("md network create --subnet=10.0.0.0/8 x")
    );
    assert!(!word("ps", "quiet", Some('q')).is_in("md ps --no-trunc"));
    assert!(!word("run", "rm", None).is_in("md rm x; md ps --rm"));
}

#[test]
fn a_proof_is_the_test_that_it_names_and_no_more() {
    let text = "#[test]\nfn one() { md ps }\n#[test]\nfn two() {}\nin_places! {\n    [as_root: Root]\n\n    \
                three(place) {\n        md rm\n    }\n    four(place) { md run }\n}\n";
    assert_eq!(body_of(text, "one"), Some("fn one() { md ps }\n"));
    assert_eq!(body_of(text, "three"), Some("\n    three(place) {\n        md rm"));
    assert_eq!(body_of(text, "five"), None);
}

#[test]
fn a_proof_that_does_not_exist_fails() {
    assert!(text_of("engine/xray::a_test_that_nobody_wrote").is_err());
    assert!(text_of("book/verbs/nothing").is_err());
    assert!(text_of("engine/main").is_ok());
}
