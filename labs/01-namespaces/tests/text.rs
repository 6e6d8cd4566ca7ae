//! What it says: help, plans and mistakes. Needs no privilege.

use testbed::{Place, needs, snapshot};

const LAB: &str = env!("CARGO_BIN_EXE_lab-01");

#[track_caller]
fn said(args: &[&str]) -> testbed::Output {
    Place::unprivileged().run(LAB, args, &[])
}

#[test]
fn help() {
    needs!(In(Place::unprivileged()));
    snapshot!("help", said(&["--help"]).success());
    snapshot!("help_run", said(&["run", "--help"]).success());
}

#[test]
fn every_program_says_its_version() {
    needs!(In(Place::unprivileged()));
    let version = said(&["--version"]);
    assert_eq!(version.success(), concat!("lab-01 ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_plan_names_every_call() {
    needs!(In(Place::unprivileged()));
    let line = "run --explain --pid --mount --hostname box --map-root --boottime -5 -- ps -ef";
    let args: Vec<&str> = line.split(' ').collect();
    snapshot!("plan", said(&args).success());
}

#[test]
fn a_plan_of_one_flag_names_one_flag() {
    needs!(In(Place::unprivileged()));
    snapshot!("plan_user", said(&["run", "--explain", "--user", "--", "id"]).success());
}

#[test]
fn mistakes_are_told_with_their_cure() {
    needs!(In(Place::unprivileged()));
    let mistakes: [&[&str]; 8] = [
        &["run", "ls"],
        &["run", "--uts", "--map-root", "--", "/nowhere/at-all"],
        &["run", "--map-root", "--", "/etc/passwd"],
        &["run", "--hostname", &"x".repeat(65), "--map-root", "--", "true"],
        &["run", "--monotonic", "-99999999999", "--map-root", "--", "true"],
        &["show", "4194304"],
        &["show", "0"],
        &["run", "--map-auto", "--", "true"],
    ];
    let mut text = String::new();
    for args in mistakes {
        let output = said(args);
        assert_ne!(output.code, 0);
        let line = args.join(" ");
        text += &format!("$ lab-01 {line}\n{}[{}]\n\n", output.stderr, output.code);
    }
    snapshot!("mistakes", text, [(r"x{65}", "[65 BYTES]")]);
}
