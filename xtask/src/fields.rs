//! The fields of config.json, and the tests that prove each: tables made from the tests themselves.
//!
//! `mini-runc/tests/fields.txt` lists the specification; `covers!("field", ..)` in a test claims a
//! line of it. A field that nobody claims needs a reason there. So the page cannot promise more
//! than the tests hold, and a test that goes takes its promise with it. Nothing is stored: the book
//! has them made when it is built.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

const TESTS: &str = "labs/07-mini-docker/mini-runc/tests";

/// The tables, in Markdown: what `{{#fields}}` in a page becomes.
///
/// # Errors
/// A field that has neither a test nor a reason, or a claim about a field that there is not.
pub fn tables(root: &Path) -> Result<String> {
    let tests = root.join(TESTS);
    let list = read(&tests.join("fields.txt"))?;
    let mut fields: Vec<Field<'_>> = list.lines().filter_map(Field::parse).collect();
    let mut unknown = Vec::new();
    for claim in claims(&tests)? {
        let mut found = false;
        for field in fields.iter_mut().filter(|it| claim.names(it.name)) {
            field.tests.push(claim.test.clone());
            found = true;
        }
        if !found {
            unknown.push(format!("{:?} in {}", claim.field, claim.test.function));
        }
    }
    report("a test covers what is not in fields.txt", &unknown)?;
    let bare = fields.iter().filter(|it| it.tests.is_empty() && it.reason.is_none());
    let bare: Vec<_> = bare.map(|it| it.name.to_owned()).collect();
    report("neither a test nor a reason, in fields.txt", &bare)?;
    let both = fields.iter().filter(|it| !it.tests.is_empty() && it.reason.is_some());
    let both: Vec<_> = both.map(|it| it.name.to_owned()).collect();
    report("a test and a reason (take the reason away), in fields.txt", &both)?;
    Ok(render(&fields))
}

fn report(what: &str, found: &[String]) -> Result<()> {
    if found.is_empty() { Ok(()) } else { bail!("{what}:\n  {}", found.join("\n  ")) }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A line of fields.txt, and who proves it.
struct Field<'a> {
    name: &'a str,
    reason: Option<&'a str>,
    tests: Vec<Test>,
}

impl<'a> Field<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (name, reason) = line.split_once(" -- ").map_or((line, None), |(a, b)| (a, Some(b)));
        Some(Self { name: name.trim(), reason, tests: Vec::new() })
    }

    /// `linux.resources` of `linux.resources.memory.limit`: the heading it stands under.
    fn section(&self) -> String {
        let path = self.name.split('=').next().unwrap_or_default().replace("[]", "");
        let parts: Vec<_> = path.split('.').collect();
        match parts.as_slice() {
            ["linux", "resources" | "seccomp", ..] => format!("linux.{}", parts[1]),
            [first, _, ..] => (*first).to_owned(),
            _ => "the top".to_owned(),
        }
    }
}

/// A test function, and whether runc and crun pass it as well.
#[derive(Clone, PartialEq)]
struct Test {
    function: String,
    peers: bool,
}

struct Claim {
    field: String,
    test: Test,
}

impl Claim {
    /// Whether it is about this field; a `*` at its end stands for all that begins so.
    fn names(&self, field: &str) -> bool {
        match self.field.strip_suffix('*') {
            Some(start) => field.starts_with(start),
            None => field == self.field,
        }
    }
}

/// All claims of all files, in the order of the files' names.
fn claims(tests: &Path) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for path in sources(tests)? {
        // One list for runc, crun and mini-runc: see the head of tests/peers/main.rs.
        let peers = path.strip_prefix(tests).is_ok_and(|it| it.starts_with("peers"));
        claims.extend(claims_in(&read(&path)?, peers));
    }
    Ok(claims)
}

fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The claims of one file: the strings of each `covers!(..)`, with the function around it.
fn claims_in(source: &str, peers: bool) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut function = String::new();
    let mut inside = false;
    for line in source.lines().map(str::trim) {
        if let Some((name, _)) = line.strip_prefix("fn ").and_then(|it| it.split_once('(')) {
            name.clone_into(&mut function);
        }
        inside |= line.starts_with("covers!(");
        if inside {
            let test = Test { function: function.replace('_', " "), peers };
            let strings = line.split('"').skip(1).step_by(2);
            claims.extend(strings.map(|it| Claim { field: it.to_owned(), test: test.clone() }));
            inside = !line.ends_with(");");
        }
    }
    claims
}

fn render(fields: &[Field<'_>]) -> String {
    let proven = fields.iter().filter(|it| !it.tests.is_empty()).count();
    let mut page = format!("{proven} of {} lines have a test.\n", fields.len());
    let mut sections: Vec<(String, Vec<&Field<'_>>)> = Vec::new();
    for field in fields {
        let section = field.section();
        match sections.iter_mut().find(|(name, _)| *name == section) {
            Some((_, of_it)) => of_it.push(field),
            None => sections.push((section, vec![field])),
        }
    }
    for (name, fields) in sections {
        page += &format!("\n## {name}\n\n| field | tests |\n|---|---|\n");
        for (tests, names) in joined(&fields) {
            page += &format!("| {names} | {tests} |\n");
        }
    }
    page
}

/// One row for neighbours that the same tests prove.
fn joined(fields: &[&Field<'_>]) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut before = "";
    for field in fields {
        let tests = cell(field);
        let (name, word) = field.name.split_once('=').unwrap_or((field.name, ""));
        let word = if word.is_empty() { String::new() } else { format!(" `{word}`") };
        match rows.last_mut().filter(|(of_last, _)| *of_last == tests) {
            Some((_, names)) if name == before => *names += &word,
            Some((_, names)) => *names += &format!("<br>`{name}`{word}"),
            None => rows.push((tests, format!("`{name}`{word}"))),
        }
        before = name;
    }
    rows
}

fn cell(field: &Field<'_>) -> String {
    if field.tests.is_empty() {
        return format!("*{}*", field.reason.unwrap_or_default());
    }
    let tests: BTreeMap<&str, bool> =
        field.tests.iter().map(|it| (it.function.as_str(), it.peers)).collect();
    let words = tests
        .iter()
        .map(|(name, peers)| if *peers { format!("{name} **=**") } else { (*name).to_owned() });
    words.collect::<Vec<_>>().join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_test_or_a_reason() {
        if let Err(error) = tables(crate::root()) {
            panic!("{error:#}");
        }
    }

    #[test]
    fn a_claim_belongs_to_the_function_around_it() {
        let source = "fn the_first() {\n covers!(\"a\", \"b*\");\n}\nfn second() {\n covers!(\n  \"c\",\n );\n}";
        let claims = claims_in(source, true);
        let all: Vec<_> =
            claims.iter().map(|it| (it.field.as_str(), it.test.function.as_str())).collect();
        assert_eq!(all, [("a", "the first"), ("b*", "the first"), ("c", "second")]);
        assert!(claims[1].names("bc") && !claims[0].names("ab"));
    }

    #[test]
    fn a_field_stands_under_its_parent() {
        let section = |line| Field::parse(line).map(|it| it.section());
        assert_eq!(section("ociVersion").as_deref(), Some("the top"));
        assert_eq!(section("mounts[].options=ro").as_deref(), Some("mounts"));
        assert_eq!(section("linux.seccomp.flags -- no").as_deref(), Some("linux.seccomp"));
        assert_eq!(section("# words"), None);
    }
}
