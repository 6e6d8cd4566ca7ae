//! Speaker notes: a comment at the end of each lab's pages, which `book/unboxed.js` shows in a window of its own.
//!
//! ```text
//! <!-- notes: 10 minutes
//! say: what the class should hear
//! ask: what it should answer
//! wrong: what goes wrong in the room, and what helps
//! -->
//! ```

use std::{fs, path::Path};

use anyhow::Result;

const KINDS: [&str; 3] = ["say: ", "ask: ", "wrong: "];

/// What is wrong with the notes of the labs' pages below `source`.
pub fn wrong(source: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(source)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name.filter(|it| it.starts_with("lab-") && it.ends_with(".md")) else {
            continue;
        };
        wrong.extend(check(&fs::read_to_string(&path)?).map(|what| format!("{name}: {what}")));
    }
    wrong.sort();
    Ok(wrong)
}

/// What is wrong with a page's notes.
fn check(page: &str) -> Option<String> {
    let mut notes = page.split("<!-- notes: ").skip(1);
    let Some((notes, None)) =
        notes.next().map(|it| (it.split("-->").next().unwrap_or(it), notes.next()))
    else {
        return Some("has no notes, or more than one".to_owned());
    };
    let mut lines = notes.trim_end().lines();
    let minutes = lines.next().unwrap_or_default();
    let shown =
        page.lines().find_map(|line| line.strip_prefix('*')?.split_once(".*")).map(|it| it.0);
    if minutes.strip_suffix(" minutes").is_none_or(|number| number.parse::<u8>().is_err()) {
        return Some(format!("{minutes:?} is no number of minutes"));
    }
    if shown.is_some_and(|shown| shown != minutes) {
        return Some(format!(
            "is {} for readers, and {minutes} for speakers",
            shown.unwrap_or_default()
        ));
    }
    let lines: Vec<_> = lines.collect();
    let strange = lines.iter().find(|line| !KINDS.iter().any(|kind| line.starts_with(kind)));
    let absent = KINDS.iter().find(|kind| !lines.iter().any(|line| line.starts_with(*kind)));
    strange
        .map(|line| format!("what is {line:?}?"))
        .or(absent.map(|kind| format!("has no line with {kind:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "say: a\nask: b\nwrong: c\n-->\n";

    #[track_caller]
    fn says(page: &str, what: &str) {
        assert!(check(page).unwrap_or_default().contains(what), "{:?}", check(page));
    }

    #[test]
    fn notes_say_ask_and_know_what_goes_wrong() {
        assert_eq!(
            check(&format!("# A\n\n*10 minutes.* x\n\n<!-- notes: 10 minutes\n{LINES}")),
            None
        );
        says("# A\n", "no notes");
        says(&format!("*5 minutes.*\n<!-- notes: 10 minutes\n{LINES}"), "5 minutes for readers");
        says(&format!("<!-- notes: ten minutes\n{LINES}"), "no number");
        says("<!-- notes: 1 minutes\nsay: a\nask: b\n-->", "no line with \"wrong: \"");
        says(&format!("<!-- notes: 1 minutes\nsing: a\n{LINES}"), "sing");
    }
}
