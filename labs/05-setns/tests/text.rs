//! What it says: help, plans and mistakes.

use testbed::{Output, Place, needs, snapshot};

const LAB: &str = env!("CARGO_BIN_EXE_lab-05");

/// Runs a script in which `$T` is an idle process in namespaces of its own.
#[track_caller]
fn beside_a_target(place: Place, script: &str) -> Output {
    let start = "unshare --user --map-root-user --mount --uts --net --pid --fork --kill-child \
                     sleep 60 & U=$!; until T=$(pgrep -P $U sleep); do sleep 0.05; done";
    place.shell(LAB, &format!("{start}\n{script}\nkill -9 $U"))
}

#[test]
fn help() {
    let place = Place::unprivileged();
    needs!(In(place));
    let version = place.run(LAB, &["--version"], &[]);
    assert_eq!(version.success(), concat!("lab-05 ", env!("CARGO_PKG_VERSION"), "\n"));
    snapshot!("help", place.run(LAB, &["--help"], &[]).success());
    snapshot!("help_enter", place.run(LAB, &["enter", "--help"], &[]).success());
    snapshot!("help_pin", place.run(LAB, &["pin", "--help"], &[]).success());
}

#[test]
fn the_plan_depends_on_who_enters() {
    needs!(Program("unshare"), Program("pgrep"));
    for place in [Place::Root, Place::User] {
        needs!(In(place));
        let script = "$BIN enter $T --explain -- id; echo; $BIN enter $T --files --explain -- id";
        let output = beside_a_target(place, script);
        snapshot!(place, "plan", output.text(), [(r"pidfd_open\(\d+\)", "pidfd_open([PID])")]);
    }
}

#[test]
fn a_plan_of_pins() {
    let place = Place::unprivileged();
    needs!(In(place));
    let output =
        place.shell(LAB, "$BIN pin $$ --net /run/kept --explain; $BIN unpin /run/kept --explain");
    snapshot!("plan_pin", output.text());
}

#[test]
fn mistakes_are_told_with_their_cure() {
    let place = Place::User;
    needs!(In(place), Program("unshare"), Program("pgrep"));
    let script = r#"
        try() { echo "\$ lab-05 $*" | sed "s/ $T / PID /"; $BIN "$@" 2>&1; echo "[$?]"; echo; }
        try enter 4194304 -- true
        try enter 0 -- true
        try enter $T ls
        try enter $T --net -- true
        try enter $T --net --files -- true
        try enter $T -- /nowhere/at-all
        touch empty; echo full > full
        try pin $T --net --uts pinned
        try pin $T --net full
        try pin $T --net empty
        try pin $T --net nowhere/kept
        try unpin full
        try unpin absent"#;
    let output = beside_a_target(place, script);
    snapshot!("mistakes", output.text(), [(r"pidfd_open\(\d+\)", "pidfd_open([PID])")]);
}
