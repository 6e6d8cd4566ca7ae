//! Where in a JSON text something is: `process.user.uid`, not "line 1 column 1747".
//!
//! serde_json knows the line and the column at which reading stopped. One walk over the text until
//! there, keeping the names of what is open, gives the path.

/// The path of what is read at byte `end`; empty at the top.
pub(super) fn path_at(text: &[u8], end: usize) -> String {
    let mut open: Vec<Part> = Vec::new();
    let mut last_string = String::new();
    let mut at = 0;
    while at < end.min(text.len()) {
        match text[at] {
            b'"' => {
                let close = end_of_string(text, at + 1);
                last_string = String::from_utf8_lossy(&text[at + 1..close]).into_owned();
                at = close;
            }
            b'{' => open.push(Part::Field(String::new())),
            b'[' => open.push(Part::Entry(0)),
            // What was just closed is what the error is about: its path stays.
            b'}' | b']' if at + 1 < end => drop(open.pop()),
            b':' => {
                if let Some(Part::Field(name)) = open.last_mut() {
                    name.clone_from(&last_string);
                }
            }
            b',' => {
                if let Some(Part::Entry(index)) = open.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    open.iter().fold(String::new(), |path, part| part.after(&path))
}

/// The path of the first text with a NUL byte in it; JSON has one way to write it.
pub(super) fn of_nul(text: &[u8]) -> Option<String> {
    let mut from = 0;
    loop {
        let escape = from + text.get(from..)?.iter().position(|byte| *byte == b'\\')?;
        if text[escape + 1..].starts_with(b"u0000") {
            return Some(path_at(text, escape));
        }
        // What is escaped may be a backslash itself.
        from = escape + 2;
    }
}

enum Part {
    Field(String),
    Entry(usize),
}

impl Part {
    fn after(&self, path: &str) -> String {
        match self {
            Self::Field(name) if name.is_empty() => path.to_owned(),
            Self::Field(name) if path.is_empty() => name.clone(),
            Self::Field(name) => format!("{path}.{name}"),
            Self::Entry(index) => format!("{path}[{index}]"),
        }
    }
}

/// The position of the quote that ends a string which begins at `from`.
fn end_of_string(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

/// The byte of a line and a column, both from 1.
pub(super) fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let lines = text.split(|byte| *byte == b'\n').take(line.saturating_sub(1));
    lines.map(|line| line.len() + 1).sum::<usize>() + column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let error = serde_json::from_str::<oci::runtime::Spec>(json).unwrap_err();
        let end = offset(json.as_bytes(), error.line(), error.column());
        assert_eq!(path_at(json.as_bytes(), end), expected, "{error}");
    }

    #[test]
    fn a_nul_is_found_by_the_names_around_it() {
        let at = |text: &str| of_nul(text.as_bytes());
        assert_eq!(at(r#"{"a": {"b": ["c", "x\u0000"]}}"#).as_deref(), Some("a.b[1]"));
        assert_eq!(at(r#"{"a": "x\\u0000"}"#), None);
        assert_eq!(at(r#"{"a": "x\\u0000\u0000"}"#).as_deref(), Some("a"));
        assert_eq!(at("{}"), None);
    }

    #[test]
    fn an_error_is_found_by_the_names_around_it() {
        check(r#"{"ociVersion": "1.0.2", "process": 7}"#, "process");
        check(
            r#"{"ociVersion": "1", "process": {"cwd": "/", "user": {"uid": "root"}}}"#,
            "process.user.uid",
        );
        check(
            "{\"ociVersion\": \"1\",\n\"mounts\": [{\"destination\": \"/a\"},\n {\"destination\": 5}]}",
            "mounts[1].destination",
        );
        check(r#"{"ociVersion": "a\"b", "hostname": [1]}"#, "hostname");
    }
}
