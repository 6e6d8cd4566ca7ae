//! What changes at a terminal: colours, and a demonstration that waits.

use testbed::{Place, needs};

const LAB: &str = env!("CARGO_BIN_EXE_lab-01");

/// Says `colour` or `plain` of what a command printed, at a terminal or in a pipe.
const SAYS: &str = r#"
    colour() { if grep -q "$(printf '\033')"; then echo colour; else echo plain; fi; }
    at_terminal() { script -qec "$1" /dev/null < /dev/null | colour; }
    unset NO_COLOR; export TERM=xterm
"#;

#[track_caller]
fn check(script: &str, expected: &str) {
    let place = Place::unprivileged();
    let output = place.shell(LAB, &format!("{SAYS}\n{script}"));
    assert_eq!(output.success().replace('\n', " ").trim(), expected, "{output}");
}

#[test]
fn there_is_colour_at_a_terminal_and_nowhere_else() {
    needs!(In(Place::unprivileged()), Program("script"));
    check(r#"at_terminal "$BIN --explain"; $BIN --explain | colour"#, "colour plain");
    check(r#"at_terminal "$BIN --explain --json""#, "plain");
}

#[test]
fn an_error_has_colour_at_a_terminal_too() {
    needs!(In(Place::unprivileged()), Program("script"));
    let wrong = "$BIN show 99999999";
    check(&format!(r#"at_terminal "{wrong}"; {wrong} 2>&1 | colour"#), "colour plain");
    // Standard output is the terminal, and the error goes elsewhere.
    check(&format!(r#"at_terminal "{wrong} 2> said"; colour < said"#), "plain plain");
    check(&format!(r#"NO_COLOR=1 at_terminal "{wrong}""#), "plain");
}

#[test]
fn colours_can_be_refused() {
    needs!(In(Place::unprivileged()), Program("script"));
    check(
        r#"export NO_COLOR=1; at_terminal "$BIN --explain"; at_terminal "$BIN --help""#,
        "plain plain",
    );
    check(r#"export TERM=dumb; at_terminal "$BIN --explain""#, "plain");
    // no-color.org: when it is present and not an empty string.
    check(r#"export NO_COLOR=; at_terminal "$BIN --explain""#, "colour");
}

#[test]
fn the_demonstration_waits_for_a_key_between_scenes() {
    let place = Place::unprivileged();
    needs!(In(place), Program("script"));
    testbed::paused(place, LAB);
}
