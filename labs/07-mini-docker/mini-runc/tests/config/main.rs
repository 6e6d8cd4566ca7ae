//! A config.json that is broken in every way: never a panic, and an error that says where.
//!
//! The configuration in full.json is changed at each of its places, one change at a time: left out,
//! given another type, an absurd number, a NUL, ten megabytes; and its text is cut, doubled and
//! spoilt. Each is planned as `create --explain` does. `fuzz/` goes on from here, at random, and
//! `replay` from what it kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how many cases it tried"
)]

mod replay;

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use ground::Error;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::snapshot;

const FULL: &str = include_str!("full.json");

/// A directory with a root file system.
fn bundle() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("rootfs")).unwrap();
    dir
}

/// A place in a JSON value, as serde_json has it (RFC 6901) and as an error names it.
#[derive(Debug, Clone)]
struct Place {
    pointer: String,
    name: String,
}

/// All places of a value, those above first.
fn places(value: &Value) -> Vec<Place> {
    let mut all = vec![Place { pointer: String::new(), name: String::new() }];
    let mut at = 0;
    while let Some(Place { pointer, name }) = all.get(at).cloned() {
        match value.pointer(&pointer).unwrap() {
            Value::Object(fields) => all.extend(fields.keys().map(|key| Place {
                pointer: format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
                name: if name.is_empty() { key.clone() } else { format!("{name}.{key}") },
            })),
            Value::Array(entries) => all.extend((0..entries.len()).map(|index| Place {
                pointer: format!("{pointer}/{index}"),
                name: format!("{name}[{index}]"),
            })),
            _ => {}
        }
        at += 1;
    }
    all.split_off(1)
}

/// What is put in the place of a value, each with a word for it.
fn others() -> Vec<(&'static str, Value)> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        ("null", Value::Null),
        ("true", json!(true)),
        ("0", json!(0)),
        ("-1", json!(-1)),
        ("1.5", json!(1.5)),
        ("2^31", json!(1u64 << 31)),
        ("2^32-1", json!(u32::MAX)),
        ("2^63-1", json!(i64::MAX)),
        ("2^64-1", json!(u64::MAX)),
        ("-2^63", json!(i64::MIN)),
        ("no text", json!("")),
        ("text", json!("nonsense")),
        ("a NUL", json!("a\0b")),
        ("a slash", json!("/")),
        ("dots", json!("../../..")),
        ("no list", json!([])),
        ("a list", json!(["nonsense"])),
        ("a list of null", json!([null])),
        ("no object", json!({})),
        ("an object", json!({"nonsense": 1})),
        ("a hundred lists", deep),
    ]
}

fn without(value: &Value, pointer: &str) -> Value {
    let mut changed = value.clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(&last.replace("~1", "/").replace("~0", "~"))),
        Value::Array(entries) => drop(entries.remove(last.parse().unwrap())),
        _ => unreachable!("only these hold others"),
    }
    changed
}

/// What is said about a text; a panic fails the test.
#[track_caller]
fn judge(bundle: &TempDir, case: &str, text: &[u8]) -> Option<Error> {
    let plan = || mini_runc::explain(bundle.path(), text.to_vec());
    match catch_unwind(AssertUnwindSafe(plan)) {
        Ok(planned) => planned.err(),
        Err(_) => panic!("{case}: a panic"),
    }
}

/// Whether an error names a place, the field alone, or the entry of a list that it lies in.
fn names(error: &Error, place: &Place) -> bool {
    let text = error.to_string();
    let mut name = place.name.as_str();
    loop {
        let field = name.rsplit('.').next().unwrap_or(name).trim_end_matches(']');
        let field = field.split('[').next().unwrap_or(field);
        if text.contains(name) || text.contains(field) {
            return true;
        }
        match name.rsplit_once('.') {
            Some((above, _)) if above.contains(['.', '[']) => name = above,
            _ => return false,
        }
    }
}

#[test]
fn a_value_of_another_kind_is_told_by_its_place() {
    let bundle = bundle();
    let full: Value = serde_json::from_str(FULL).unwrap();
    let fine = judge(&bundle, "unchanged", FULL.as_bytes());
    assert!(fine.is_none(), "{fine:?}");
    let (mut tried, mut refused, mut nameless) = (0, 0, Vec::new());
    let mut by_place: BTreeMap<String, usize> = BTreeMap::new();
    for place in places(&full) {
        let gone = ("gone", without(&full, &place.pointer));
        let changed = others().into_iter().map(|(word, other)| {
            let mut changed = full.clone();
            *changed.pointer_mut(&place.pointer).unwrap() = other;
            (word, changed)
        });
        for (word, changed) in [gone].into_iter().chain(changed) {
            let case = format!("{} is {word}", place.name);
            tried += 1;
            let Some(error) = judge(&bundle, &case, changed.to_string().as_bytes()) else {
                continue;
            };
            refused += 1;
            *by_place.entry(place.name.clone()).or_default() += 1;
            if error.why.is_none() || !names(&error, &place) {
                nameless.push(format!("{case}: {error}"));
            }
        }
    }
    println!("config.json: {tried} changes at {} places, {refused} refused", by_place.len());
    assert!(nameless.is_empty(), "{} of {refused}:\n{}", nameless.len(), nameless.join("\n"));
}

#[test]
fn a_text_that_is_no_json_is_told_by_its_place() {
    let bundle = bundle();
    let text = FULL.as_bytes();
    let mut tried = 0;
    let mut try_it = |case: String, text: &[u8]| {
        tried += 1;
        let error = judge(&bundle, &case, text).unwrap_or_else(|| panic!("{case}: accepted"));
        assert!(error.why.is_some() && error.fix.is_some(), "{case}: {error}");
    };
    for end in (0..text.trim_ascii_end().len()).step_by(7) {
        try_it(format!("cut at {end}"), &text[..end]);
    }
    for at in (0..text.len()).step_by(11) {
        // No byte of UTF-8.
        let spoilt = [&text[..at], b"\xff", &text[at..]].concat();
        try_it(format!("0xff at {at}"), &spoilt);
    }
    for extra in ["}", "x", "{}", "\u{feff}"] {
        try_it(format!("{extra:?} at the end"), format!("{FULL}{extra}").as_bytes());
    }
    try_it("a byte order mark".to_owned(), format!("\u{feff}{FULL}").as_bytes());
    for depth in [200, 100_000] {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let deep = FULL.replacen("\"value\"", &deep, 1);
        try_it(format!("{depth} lists"), deep.as_bytes());
        let deep = FULL.replacen(
            "\"hostname\"",
            &format!("\"unknown\": {deep}, \"hostname\"", deep = "[".repeat(depth)),
            1,
        );
        try_it(format!("{depth} lists in an unknown field"), deep.as_bytes());
    }
    println!("config.json: {tried} texts that are no JSON refused");
}

/// Two fields of one name: whoever reads the first and whoever reads the last would disagree.
#[test]
fn a_field_that_is_there_twice_is_refused() {
    let bundle = bundle();
    let full: Value = serde_json::from_str(FULL).unwrap();
    let mut tried = 0;
    for place in places(&full) {
        let (_, last) = place.pointer.rsplit_once('/').unwrap();
        // Keys that are no fields belong to whoever wrote them.
        let free = ["annotations", "linux.sysctl", "linux.timeOffsets"];
        if last.parse::<usize>().is_ok()
            || free.iter().any(|it| place.name.starts_with(&format!("{it}.")))
        {
            continue;
        }
        let twice = doubled(&full, &place.pointer);
        let case = format!("{} twice", place.name);
        let error = judge(&bundle, &case, twice.as_bytes()).unwrap_or_else(|| panic!("{case}"));
        assert!(error.to_string().contains("duplicate"), "{case}: {error}");
        tried += 1;
    }
    println!("config.json: {tried} fields refused that were there twice");
}

/// The text of a value with one field in it twice.
fn doubled(value: &Value, pointer: &str) -> String {
    let mut marked = value.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let fields = marked.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    let field = fields.get(key).unwrap().clone();
    fields.insert("TWICE".to_owned(), field);
    marked.to_string().replace("\"TWICE\"", &format!("\"{key}\""))
}

#[test]
fn ten_megabytes_are_taken_or_refused() {
    let bundle = bundle();
    let full: Value = serde_json::from_str(FULL).unwrap();
    let (long, longest) = ("x".repeat(64 << 10), "x".repeat(10 << 20));
    let is_text = |it: &Place| full.pointer(&it.pointer).unwrap().is_string();
    let mut tried = 0;
    for place in places(&full).into_iter().filter(is_text) {
        // Reading ten megabytes takes a second in a debug build: not at every place.
        let long = if tried % 16 == 0 { &longest } else { &long };
        let mut changed = full.clone();
        *changed.pointer_mut(&place.pointer).unwrap() = json!(long);
        if let Some(error) = judge(&bundle, &place.name, changed.to_string().as_bytes()) {
            let length = error.to_string().len();
            assert!(length < 10_000, "{}: an error of {length} bytes", place.name);
        }
        tried += 1;
    }
    println!("config.json: {tried} strings of 64 KiB, every 16th of 10 MiB");
}

const TOLD: [(&str, &str); 12] = [
    ("/ociVersion", "\"0.9\""),
    ("/process/user/uid", "-1"),
    ("/process/args", "[]"),
    ("/process/args/0", "\"a\\u0000b\""),
    ("/process/rlimits/0/hard", "\"many\""),
    ("/mounts/0/destination", "7"),
    ("/mounts/4/source", "\"/nowhere\""),
    ("/linux/namespaces/0/type", "\"nonsense\""),
    ("/linux/uidMappings/0/size", "4294967296"),
    ("/linux/devices/0/major", "-5"),
    ("/linux/seccomp/defaultAction", "\"SCMP_ACT_MAYBE\""),
    ("/hooks/prestart/0/path", "\"true\""),
];

#[test]
fn errors_read_well() {
    let bundle = bundle();
    let full: Value = serde_json::from_str(FULL).unwrap();
    let mut told = String::new();
    for (pointer, other) in TOLD {
        let mut changed = full.clone();
        *changed.pointer_mut(pointer).unwrap() = serde_json::from_str(other).unwrap();
        let error = judge(&bundle, pointer, changed.to_string().as_bytes());
        let error = error.unwrap_or_else(|| panic!("{pointer} = {other} is accepted"));
        told += &format!("# {} = {other}\n{error}\n\n", pointer[1..].replace('/', "."));
    }
    let dir = bundle.path().to_str().unwrap();
    snapshot!("config_errors", told.replace(dir, "DIR"), [(r"column \d+", "column [N]")]);
}
