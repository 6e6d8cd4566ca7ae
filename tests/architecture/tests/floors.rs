//! The floors and the nevers, held against the house as it stands.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use architecture::{
    packages::{self, MOST_CRATES, PACKAGES},
    rules, source,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Holds a rule against files of a package's crate; `crate_root` is lib.rs or main.rs, and must be
/// there: a rule that looks at nothing holds always.
fn complaints(
    dir: &str,
    crate_root: &str,
    rule: impl Fn(&str, &[&str], &str) -> Vec<String>,
) -> Vec<String> {
    let src = root().join(dir).join("src");
    let start = src.join(crate_root);
    assert!(start.is_file(), "{dir} has no src/{crate_root}");
    let hold = |file: &PathBuf| {
        let code = source::code(&fs::read_to_string(file).unwrap());
        let path = file.strip_prefix(&src).unwrap().with_extension("");
        let module: Vec<_> = path
            .iter()
            .map(|part| part.to_str().unwrap())
            .filter(|part| !["lib", "main", "mod"].contains(part))
            .collect();
        let name = file.file_name().unwrap().to_str().unwrap();
        let shown = format!("{dir}/src/{}", file.strip_prefix(&src).unwrap().display());
        rule(&code, &module, name)
            .into_iter()
            .map(move |what| format!("{shown}: {what}"))
            .collect::<Vec<_>>()
    };
    source::modules(&start).unwrap().iter().flat_map(hold).collect()
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Holds a rule against every crate of the house.
fn everywhere(rule: impl Fn(&str, &[&str], &str) -> Vec<String>) -> Vec<String> {
    let dirs = PACKAGES.iter().map(|package| package.dir);
    let others = ["tests/testbed", "tests/architecture", "tests/book", "tests/peers", "xtask"];
    dirs.chain(others)
        .flat_map(|dir| crate_roots(dir).into_iter().map(move |start| (dir, start)))
        .flat_map(|(dir, start)| complaints(dir, start, &rule))
        .collect()
}

/// What of lib.rs and main.rs a package has: one of them at least.
#[track_caller]
fn crate_roots(dir: &str) -> Vec<&'static str> {
    let src = root().join(dir).join("src");
    let roots: Vec<_> =
        ["lib.rs", "main.rs"].into_iter().filter(|it| src.join(it).is_file()).collect();
    assert!(!roots.is_empty(), "{dir} has neither src/lib.rs nor src/main.rs");
    roots
}

#[test]
#[should_panic(expected = "tests/attic has neither")]
fn a_package_that_is_not_there_is_no_package_without_complaints() {
    crate_roots("tests/attic");
}

#[test]
fn dependencies_run_down() {
    let complaints = PACKAGES.iter().flat_map(|package| {
        let manifest = root().join(package.dir).join("Cargo.toml");
        packages::complaints(package, &fs::read_to_string(manifest).unwrap())
    });
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn labs_00_to_06_have_few_crates() {
    let labs = PACKAGES.iter().filter(|package| package.name.starts_with("lab-0"));
    let mut complaints = Vec::new();
    for lab in labs.filter(|package| package.name != "lab-07") {
        let crates = packages::external_crates(&root(), lab.name).unwrap();
        println!("{}: {} crates", lab.name, crates.len());
        if crates.len() > MOST_CRATES {
            let names: Vec<_> = crates.iter().map(String::as_str).collect();
            complaints.push(format!(
                "{}: {} crates; with more than {MOST_CRATES} a first build takes more than a minute: {}",
                lab.name,
                crates.len(),
                names.join(", ")
            ));
        }
    }
    assert_none(&complaints);
}

#[test]
fn rooms_of_lab_07_look_down() {
    for start in ["lib.rs", "main.rs"] {
        assert_none(&complaints("labs/07-mini-docker", start, |code, module, _| {
            rules::lab_07(code, module)
        }));
    }
}

#[test]
fn every_module_of_lab_07_has_a_floor() {
    for start in ["lib.rs", "main.rs"] {
        assert_none(&complaints("labs/07-mini-docker", start, |_, module, _| {
            rules::without_floor(module).into_iter().collect()
        }));
    }
}

#[test]
fn oci_types_do_no_io() {
    assert_none(&complaints("labs/07-mini-docker/oci", "lib.rs", |code, module, _| {
        rules::pure(code, module)
    }));
}

#[test]
fn templates_do_no_io() {
    assert_none(&complaints("labs/07-mini-docker/template", "lib.rs", |code, module, _| {
        rules::pure(code, module)
    }));
}

#[test]
fn libraries_are_silent() {
    let labs = PACKAGES.iter().flat_map(|package| {
        complaints(package.dir, "lib.rs", |code, module, _| {
            // The front end of lab 07 lies in its library, so that tests can reach it.
            if module.first() == Some(&"cli") { Vec::new() } else { rules::silent(code, module) }
        })
    });
    assert_none(&labs.collect::<Vec<_>>());
}

#[test]
fn unsafe_code_is_fenced() {
    assert_none(&everywhere(|code, module, name| {
        // Where one file is too small for a crate's calls, its room is a fence as well.
        if module.contains(&"sys") { Vec::new() } else { rules::fenced(code, name) }
    }));
}

#[test]
fn files_are_short() {
    assert_none(&everywhere(|code, _, _| rules::short(code)));
}

/// Long functions are named, not refused: a uniform table may be long.
#[test]
fn long_functions_are_known() {
    let long = everywhere(|code, _, _| {
        rules::long_functions(code)
            .into_iter()
            .map(|(name, lines)| format!("fn {name}: {lines} lines"))
            .collect()
    });
    println!("{}", long.join("\n"));
}

/// A rule that looks at nothing holds always.
#[test]
fn there_is_something_to_look_at() {
    let files = source::modules(&root().join("labs/01-namespaces/src/lib.rs")).unwrap();
    assert!(files.len() > 3, "{files:?}");
}
