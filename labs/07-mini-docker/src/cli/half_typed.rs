//! Half typed: a line that somebody is still typing, as the shell hands it over at Tab.
//!
//! The line says which store is meant (`--root`), and that store's names are what fits. bash and zsh
//! hand over each word as it stands there, with its quotes, its `~` and its variables; bash also
//! takes `=` for a word (man 1 bash, COMP_WORDBREAKS). fish and elvish have read the words already.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// The store that the line names. `words` are those of the asking: our own, `--`, the line's.
pub fn root(shell: &OsStr, words: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let line = words.skip_while(|word| word != "--").skip(1);
    let shell = Path::new(shell).file_stem().unwrap_or_default();
    let line: Vec<OsString> = match shell == "bash" || shell == "zsh" {
        true => joined(line).map(|word| word.to_str().map_or(word.clone(), read)).collect(),
        false => line.collect(),
    };
    // What the line lacks so far is no mistake.
    let read = super::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    read.get_one::<PathBuf>("root").cloned()
}

/// Puts a flag and its value together again, which bash takes apart.
fn joined(words: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut whole: Vec<OsString> = Vec::new();
    for word in words {
        match whole.last_mut() {
            Some(last) if is_flag(last) && (word == "=" || ends_with_equals(last)) => {
                last.push(&word);
            }
            _ => whole.push(word),
        }
    }
    whole.into_iter()
}

fn is_flag(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"--")
}

fn ends_with_equals(word: &OsStr) -> bool {
    word.as_encoded_bytes().ends_with(b"=")
}

/// A word as the shell would read it: without quotes, with the home directory and the variables that
/// we can see.
fn read(word: &str) -> OsString {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    expanded(word, &variable).into()
}

fn expanded(word: &str, variable: &dyn Fn(&str) -> String) -> String {
    let (mut text, mut quote, mut rest) = (String::new(), None, word);
    // Also after the `=` of a flag, as zsh does with magic_equal_subst.
    let tilde =
        if word.starts_with("--") { word.find("=~").map_or(usize::MAX, |at| at + 1) } else { 0 };
    while let Some(letter) = rest.chars().next() {
        let at = word.len() - rest.len();
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\'' | '"' if quote.is_none() => quote = Some(letter),
            _ if quote == Some(letter) => quote = None,
            '\\' if quote != Some('\'') => {
                text.extend(rest.chars().next());
                rest =
                    rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
            }
            '$' if quote != Some('\'') => {
                let (name, after) = name_of_variable(rest);
                text += &variable(name);
                rest = after;
            }
            '~' if at == tilde && (rest.is_empty() || rest.starts_with('/')) => {
                text += &variable("HOME");
            }
            _ => text.push(letter),
        }
    }
    text
}

/// `NAME` or `{NAME}`, and what comes after it.
fn name_of_variable(text: &str) -> (&str, &str) {
    if let Some((name, after)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (name, after);
    }
    let end = text.find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shell: &str, line: &str, expected: Option<&str>) {
        let words = ["mini-docker", "--"].into_iter().chain(line.split(' ')).map(OsString::from);
        assert_eq!(root(shell.as_ref(), words), expected.map(PathBuf::from));
    }

    #[test]
    fn a_line_says_which_store_is_meant_wherever_it_says_so() {
        check("fish", "mini-docker rm b", None);
        check("fish", "mini-docker --root /x rm b", Some("/x"));
        check("zsh", "mini-docker --root=/x rm b", Some("/x"));
        check("bash", "mini-docker --root = /x rm b", Some("/x"));
        check("/bin/bash", "mini-docker rm --root /x b", Some("/x"));
        check("bash", "mini-docker container rm --root /x b", Some("/x"));
        check("bash", "mini-docker --root /x volume inspect ", Some("/x"));
        check("bash", "mini-docker --root '/x' run --memory-s", Some("/x"));
        check("bash", "mini-docker run box sh --root /x", None);
        check("bash", "mini-docker --root", None);
        check("fish", "mini-docker --root '/x' rm b", Some("'/x'"));
    }

    #[test]
    fn a_word_is_read_as_the_shell_reads_it() {
        let variable = |name: &str| format!("/{}", name.to_lowercase());
        let check = |word: &str, expected: &str| assert_eq!(expanded(word, &variable), expected);
        check("~/store", "/home/store");
        check("~ann/store", "~ann/store");
        check("a~", "a~");
        check("--root=~/store", "--root=/home/store");
        check("$HOME/a${TMP}b", "/home/a/tmpb");
        check(r#"'$HOME'"$TMP"\$x\ y"#, "$HOME/tmp$x y");
        check("\"it's\"", "it's");
        check("open\\", "open");
    }
}
