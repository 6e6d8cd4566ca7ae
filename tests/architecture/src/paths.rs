//! The paths a file names, in full: `use` groups are opened, `self` and `super` resolved.

/// All paths that this code names, as `crate::store::blobs`, `std::fs::read`; `module` is the
/// file's own path within its crate, as `["registry", "client"]`.
pub fn of(code: &str, module: &[&str]) -> Vec<String> {
    let (imported, rest) = uses(code);
    let inline = inline(&rest).map(str::to_owned);
    let mut paths: Vec<_> =
        imported.into_iter().chain(inline).map(|path| resolve(&path, module)).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Whether `path` is `prefix` or lies below it.
pub fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The paths of all `use` statements, groups opened, and the code without these statements.
fn uses(code: &str) -> (Vec<String>, String) {
    let (mut paths, mut rest, mut done) = (Vec::new(), String::new(), 0);
    for (at, word) in code.match_indices("use ") {
        if at < done || !starts_item(&code[..at]) {
            continue;
        }
        let tree = &code[at + word.len()..];
        let end = tree.find(';').unwrap_or(tree.len());
        open(&tree[..end], "", &mut paths);
        rest += &code[done..at];
        done = at + word.len() + end;
    }
    (paths, rest + &code[done..])
}

/// Whether an item may begin after this code.
fn starts_item(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with([';', '{', '}', ')', ']']) || before.ends_with("pub")
}

/// Opens `a::{b, c::{d}}` into `a::b` and `a::c::d`.
fn open(tree: &str, prefix: &str, paths: &mut Vec<String>) {
    for part in split_group(tree) {
        let part = part.split(" as ").next().unwrap_or(part).trim();
        match part.split_once('{') {
            Some((head, group)) => {
                let group = group.trim_end().strip_suffix('}').unwrap_or(group);
                open(group, &format!("{prefix}{}", head.trim()), paths);
            }
            None if part.is_empty() => {}
            None if part == "self" => paths.push(prefix.trim_end_matches("::").to_owned()),
            None => paths.push(format!("{prefix}{part}")),
        }
    }
}

/// Splits at the commas that are in no inner group.
fn split_group(tree: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    parts
}

/// Paths with `::` outside of groups: calls, types, macros.
fn inline(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .map(|word| word.trim_matches(':'))
        .filter(|word| word.contains("::"))
}

fn resolve(path: &str, module: &[&str]) -> String {
    let mut here = module;
    let mut rest = path.strip_prefix("self::").unwrap_or(path);
    let relative = rest != path || rest.starts_with("super::");
    while let Some(up) = rest.strip_prefix("super::") {
        here = here.split_last().map_or(here, |(_, above)| above);
        rest = up;
    }
    if !relative {
        return path.to_owned();
    }
    ["crate"].iter().chain(here).copied().chain([rest]).collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, module: &[&str], expected: &[&str]) {
        assert_eq!(of(code, module), expected);
    }

    #[test]
    fn groups_are_opened() {
        check(
            "use std::{fs, io::{self, Read}, net::TcpStream as S};",
            &[],
            &["std::fs", "std::io", "std::io::Read", "std::net::TcpStream"],
        );
    }

    #[test]
    fn super_is_resolved() {
        check("use super::super::store::Blobs;", &["registry", "client"], &["crate::store::Blobs"]);
        check("pub use self::auth::Token;", &["registry"], &["crate::registry::auth::Token"]);
    }

    #[test]
    fn inline_paths_count() {
        check(
            "fn a() { std::process::exit(crate::cli::run()) }",
            &[],
            &["crate::cli::run", "std::process::exit"],
        );
    }

    #[test]
    fn a_name_that_begins_alike_is_another() {
        assert!(is_below("crate::store::blobs", "crate::store"));
        assert!(!is_below("crate::storehouse", "crate::store"));
    }
}
