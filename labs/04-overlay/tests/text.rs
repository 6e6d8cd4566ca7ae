//! What a person reads: help, plans and errors.

use std::{fmt::Write, path::Path};

use ground::{Errno, Step};
use overlay::{Marks, Options, Overlay};
use testbed::{Place, needs, snapshot};

const LAB: &str = env!("CARGO_BIN_EXE_lab-04");

fn all(place: Place, script: &str) -> String {
    let output = place.shell(LAB, script);
    format!("{}{}", output.stdout, output.stderr)
}

#[test]
fn help() {
    let place = Place::unprivileged();
    needs!(In(place));
    let script = "for command in '' mount diff layers; do $BIN $command --help; echo; done";
    snapshot!("help", all(place, script));
}

#[test]
fn plans() {
    let script = "cd /; $BIN mount --explain --lower A:B --upper C --work W /mnt -- ls /mnt; echo
        $BIN mount --explain --lower A:B /mnt -- ls; echo
        $BIN diff --explain C; echo; $BIN layers --explain /";
    for place in [Place::Root, Place::User] {
        needs!(In(place));
        snapshot!(place, "plans", all(place, script));
    }
}

/// Each what, why, see and fix that the checks before the mount have.
#[test]
fn errors() {
    let place = Place::User;
    needs!(In(place));
    let script = r#"exec 2>&1; mkdir A B C W M A/in; touch file
        try() { echo "\$ lab-04 $*" | cut -c 1-80; $BIN "$@"; echo; }
        try mount --lower A M -- true
        try mount --lower A:B M true
        try mount --lower missing:A M -- true
        try mount --lower file:A M -- true
        try mount --lower A:A M -- true
        try mount --lower A:A/in M -- true
        try mount --lower A:B --upper C --work A M -- true
        try mount --lower A:B --upper C --work /dev/shm M -- true
        try mount --lower A:B --upper C M -- true
        try mount --lower A:B missing -- true
        try mount --lower A:B --upper C --work W --redirect-dir M -- true
        try mount --lower A:B M -- nowhere
        try mount --lower $(seq -s: 501) M -- true
        try diff missing
        try diff C
        try diff file
        try layers A
        try layers missing
        mkdir -p W/work/incompat/volatile
        try mount --lower A:B --upper C --work W M -- true"#;
    snapshot!("errors", all(place, script));
}

#[test]
fn layers() {
    let place = Place::User;
    needs!(In(place));
    let script = "mkdir -p A/etc B/etc C W M; touch A/etc/a B/etc/a B/etc/b B/c
        $BIN mount --lower A:B --upper C --work W M -- sh -c '
            rm M/etc/a; rm M/c; mkdir M/new; touch M/new/file; $BIN layers M; $BIN layers M/etc/b'";
    snapshot!("layers", all(place, script));
}

#[test]
fn a_program_is_told_events() {
    let place = Place::User;
    needs!(In(place));
    let script = "mkdir -p A B C W M; touch A/a
        $BIN mount --lower A:B --upper C --work W M -- sh -c 'rm M/a; $BIN --json layers M'
        $BIN --json diff C --lower A:B; $BIN --json diff C; $BIN --json --explain diff C
        $BIN --json --explain layers M; $BIN --json layers A 2>&1";
    let output = place.shell(LAB, script);
    let word = |line: &str| testbed::event(line)["event"].as_str().map(str::to_owned);
    let words: Vec<_> = output.stdout.lines().filter_map(word).collect();
    assert_eq!(words, ["table", "table", "table", "plan", "plan", "error"], "{output}");
}

/// The advice for each errno that mounting an overlay can give.
#[test]
fn advice() {
    let options = Options::with_marks(Marks::Trusted);
    let overlay = Overlay { lower: vec!["A".into(), "B".into()], upper: None, options };
    let step = overlay.step(Path::new("merged")).expect("short names");
    let errnos = [
        Errno::EINVAL,
        Errno::ELOOP,
        Errno::ESTALE,
        Errno::ENODEV,
        Errno::EPERM,
        Errno::EBUSY,
        Errno::ENOENT,
        Errno::ENOTDIR,
        Errno::EACCES,
        Errno::ENOMEM,
        Errno::ENOSYS,
        Errno::EROFS,
        Errno::EOPNOTSUPP,
        Errno::EIO,
    ];
    let mut text = String::new();
    for errno in errnos {
        writeln!(text, "{}\n", step.failed(errno)).expect("a string takes all");
    }
    snapshot!("advice", text);
}
