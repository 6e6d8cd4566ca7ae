//! A source file as the rules see it: code without comments, strings and tests.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The code of a file: comments and the contents of literals are spaces, `#[cfg(test)]` items are
/// gone. Lines keep their numbers up to the first of those.
pub fn code(text: &str) -> String {
    without_tests(&blanked(text))
}

/// Replaces comments and the contents of string and character literals with spaces.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !ends_in_word(&out) => prefixed_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"..."`, `br#"..."#`, `c"..."`; 0 for a word that only starts with such a letter.
fn prefixed_string(text: &str) -> usize {
    let letters = text.find(|c| !matches!(c, 'r' | 'b' | 'c')).unwrap_or(text.len());
    let hashes = text[letters..].find(|c| c != '#').unwrap_or(0);
    let open = letters + hashes;
    if !text[open..].starts_with('"') || letters > 2 {
        return 0;
    }
    if !text[..letters].contains('r') {
        return if hashes == 0 { open + string(&text[open..]) } else { 0 };
    }
    let close = format!("\"{}", "#".repeat(hashes));
    text[open + 1..].find(&close).map_or(text.len(), |at| open + 1 + at + close.len())
}

/// `'x'` and `'\n'`; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |at| 3 + at + 1),
        Some((at, c)) if text[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 0,
    }
}

fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out += &rest[..at];
        let item = &rest[at..];
        let end = item.find([';', '{']).unwrap_or(item.len());
        rest = if item[end..].starts_with('{') {
            &item[end + block(&item[end..])..]
        } else {
            item.get(end + 1..).unwrap_or("")
        };
    }
    out + rest
}

/// The length of the block in braces that `code` starts with.
fn block(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Name and number of lines of each function with a body.
pub fn functions(code: &str) -> Vec<(String, usize)> {
    let starts = code.match_indices("fn ").filter(|(at, _)| !ends_in_word(&code[..*at]));
    starts
        .filter_map(|(at, _)| {
            let head = &code[at + 3..];
            let name: String =
                head.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let open = head.find(['{', ';']).filter(|&open| head[open..].starts_with('{'))?;
            let body = open + block(&head[open..]);
            (!name.is_empty()).then(|| (name, head[..body].lines().count()))
        })
        .collect()
}

/// The files of a crate: its root and every `mod name;` below it that stands on the disk.
///
/// # Errors
/// As reading the root does.
pub fn modules(root: &Path) -> io::Result<Vec<PathBuf>> {
    let text = code(&fs::read_to_string(root)?);
    let stem = root.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let parent = root.parent().unwrap_or(Path::new(""));
    let below = match stem {
        "lib" | "main" | "mod" => parent.to_owned(),
        name => parent.join(name),
    };
    let mut files = vec![root.to_owned()];
    for name in declared_modules(&text) {
        let choices = [below.join(format!("{name}.rs")), below.join(name).join("mod.rs")];
        for file in choices.iter().filter(|file| file.is_file()) {
            files.extend(modules(file)?);
        }
    }
    Ok(files)
}

fn declared_modules(code: &str) -> impl Iterator<Item = &str> {
    code.split(';').filter_map(|statement| {
        let (before, name) = statement.trim_end().rsplit_once("mod ")?;
        let is_item = before.is_empty() || before.ends_with([' ', '\n', '}', ']', ')']);
        (is_item && name.chars().all(|c| c.is_alphanumeric() || c == '_')).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = "a(\"unsafe // \\\" b\"); // unsafe\nb(r#\"un\"safe\"#, 'x', '\\'', b\"c\"); /* /* */ c */ d<'a>";
        let code = code(text);
        assert!(!code.contains("unsafe"), "{code}");
        assert_eq!(code.split_whitespace().collect::<String>(), "a();b(,,,);d<'a>");
    }

    #[test]
    fn tests_are_no_code() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c() } }\nfn d() {}\n#[cfg(test)] mod x;\nfn e() {}";
        let code = code(text);
        assert_eq!(code.split_whitespace().collect::<String>(), "fna(){}fnd(){}fne(){}");
    }

    #[test]
    fn functions_have_a_length() {
        let code = "fn one() { a }\nfn three(\n) -> X {\n}\ntrait T { fn none(&self); }";
        assert_eq!(functions(code), [("one".into(), 1), ("three".into(), 3)]);
    }

    #[test]
    fn a_modules_declaration_is_found_among_others() {
        let code = "pub use a::b;\npub mod c;\npub(crate) mod d;\n#[cfg(x)]\nmod e;\nmod f { }\nlet g = 1;";
        assert_eq!(declared_modules(code).collect::<Vec<_>>(), ["c", "d", "e"]);
    }
}
