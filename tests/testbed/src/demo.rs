//! A lab's demonstration as a test: it succeeds, its events come in order, the host stays as it was.

use std::{path::Path, sync::Mutex};

use serde_json::Value;

use crate::{Host, Place};

/// Demonstrations measure; on a machine of two cores one at a time, and one in a guest beside it.
static TURNS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];

/// Runs a lab without arguments and returns what it told.
///
/// # Panics
/// When it fails, writes to standard error, or leaves something behind.
#[track_caller]
pub fn demo(place: Place, bin: impl AsRef<Path>) -> String {
    let _turn = TURNS[usize::from(place.is_guest())].lock();
    let before = Host::now();
    let output = place.run(bin, &[], &[]);
    let story = output.success().to_owned();
    assert_eq!(output.stderr, "", "a demonstration has nothing to complain about");
    before.assert_unchanged();
    // The paths of a guest's delegated group are as long as systemd makes them.
    let wide = if place.is_guest() { String::new() } else { too_wide(&story) };
    assert!(wide.is_empty(), "a terminal of {TERMINAL} columns breaks these rows:\n{wide}");
    story
}

/// The columns of the narrowest usual terminal.
const TERMINAL: usize = 80;

/// The rows of tables that do not fit into it.
fn too_wide(story: &str) -> String {
    let rows = story.lines().filter(|line| line.trim_start().starts_with('│'));
    rows.filter(|row| row.chars().count() > TERMINAL).collect::<Vec<_>>().join("\n")
}

/// Runs a lab with `--explain` and returns its plan.
///
/// # Panics
/// As [`demo`].
#[track_caller]
pub fn explain(place: Place, bin: impl AsRef<Path>) -> String {
    let before = Host::now();
    let output = place.run(bin, &["--explain"], &[]);
    before.assert_unchanged();
    output.success().to_owned()
}

/// Runs a lab with `--json` and checks its events.
///
/// # Panics
/// As [`demo`], and when an event is missing or out of order.
#[track_caller]
pub fn json(place: Place, bin: impl AsRef<Path>) {
    let _turn = TURNS[0].lock();
    let before = Host::now();
    let output = place.run(bin, &["--json"], &[]);
    check_events(output.success()).unwrap_or_else(|why| panic!("{why}\n{output}"));
    before.assert_unchanged();
}

/// Plays a lab's demonstration at a terminal with `--pause`: one Enter a scene. Each time all that is
/// to be read is there before the next one is typed, and the last scene waits for nobody.
const PAUSED: &str = r#"
    scenes=$("$BIN" --explain --json | grep -c '"event":"scene"')
    mkfifo keys
    script -qefc "$BIN --pause" /dev/null < keys > said & terminal=$!
    exec 3> keys
    asked() { grep -o '\[Enter\]' said | wc -l; }
    typed=0
    while [ $typed -lt $((scenes - 1)) ]; do
        until [ $(asked) -gt $typed ]; do kill -0 $terminal 2> /dev/null || break 2; sleep 0.02; done
        [ $(asked) = $((typed + 1)) ] || { echo "it did not wait at $typed"; break; }
        echo >&3; typed=$((typed + 1))
    done
    wait $terminal; code=$?
    [ $typed = $((scenes - 1)) ] && [ $(asked) = $typed ] && echo "waited between all scenes"
    exec 3>&-; exit $code
"#;

/// Runs a lab with `--pause` at a terminal, typing Enter when it waits.
///
/// # Panics
/// As [`demo`]; when it does not wait between two scenes.
#[track_caller]
pub fn paused(place: Place, bin: impl AsRef<Path>) {
    let _turn = TURNS[0].lock();
    let before = Host::now();
    let output = place.shell(bin, PAUSED);
    assert_eq!(output.success(), "waited between all scenes\n", "{output}");
    before.assert_unchanged();
}

/// One line of `--json`.
///
/// # Panics
/// When it is no JSON.
#[track_caller]
pub fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))
}

/// Checks a lesson told as JSON lines: `lesson`, then for each scene `scene` and either `evidence`
/// or `not_here` with the scene's number, then `end`.
///
/// # Errors
/// Says which line is wrong and what was expected there.
pub fn check_events(lines: &str) -> Result<(), String> {
    let mut events = Vec::new();
    for (n, line) in lines.lines().enumerate() {
        let event: Value =
            serde_json::from_str(line).map_err(|e| format!("line {}: {e}", n + 1))?;
        events.push(event);
    }
    let word =
        |n: usize| events.get(n).and_then(|event| event["event"].as_str()).unwrap_or("nothing");
    let expect = |n: usize, wanted: &[&str], number: Option<u64>| {
        let found = word(n);
        if !wanted.contains(&found) {
            return Err(format!("line {}: expected {}, not {found}", n + 1, wanted.join(" or ")));
        }
        match number.filter(|&number| events[n]["number"].as_u64() != Some(number)) {
            Some(number) => Err(format!("line {}: {found} is not number {number}", n + 1)),
            None => Ok(()),
        }
    };
    expect(0, &["lesson"], None)?;
    let scenes = events[0]["scenes"].as_u64().ok_or("line 1: how many scenes?")?;
    for scene in 1..=scenes {
        let line = usize::try_from(2 * scene - 1).expect("few scenes");
        expect(line, &["scene"], Some(scene))?;
        expect(line + 1, &["evidence", "not_here"], Some(scene))?;
    }
    let last = usize::try_from(2 * scenes + 1).expect("few scenes");
    expect(last, &["end"], None)?;
    if events.len() > last + 1 {
        return Err(format!("line {}: {} after the end", last + 2, word(last + 1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_a_terminal_breaks_is_found() {
        let row = format!("    │ {} │", "x".repeat(71));
        assert_eq!(too_wide(&row), "");
        let wide = format!("    │ {} │", "x".repeat(73));
        assert_eq!(too_wide(&format!("{wide}\n{wide}")), format!("{wide}\n{wide}"));
        assert_eq!(too_wide(&"word ".repeat(20)), "");
    }

    const LESSON: &str = r#"{"event":"lesson","scenes":1}"#;
    const SCENE: &str = r#"{"event":"scene","number":1}"#;

    #[track_caller]
    fn check(lines: &[&str], expected: Result<(), &str>) {
        assert_eq!(check_events(&lines.join("\n")), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_lesson_has_all_its_events() {
        let evidence = r#"{"event":"evidence","number":1}"#;
        check(&[LESSON, SCENE, evidence, r#"{"event":"end"}"#], Ok(()));
        check(&[LESSON, SCENE, evidence], Err("line 4: expected end, not nothing"));
        check(&[LESSON, evidence], Err("line 2: expected scene, not evidence"));
    }

    #[test]
    fn a_scene_is_not_told_twice() {
        let other = r#"{"event":"evidence","number":2}"#;
        check(&[LESSON, SCENE, other], Err("line 3: evidence is not number 1"));
    }
}
