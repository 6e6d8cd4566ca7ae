//! What changed since the lab before: two plans as `--explain` prints them, call by call.
//!
//! A call says itself what it is for, so each hunk comes with its reasons. Paths and numbers differ
//! from lab to lab without meaning anything: calls are compared by their name and their flags.

use std::path::Path;

use anyhow::{Context, Result};

use crate::scenes;

/// A call that a plan makes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    call: String,
    why: String,
}

/// `{{#since OLD NEW}}`: the calls of the new plan, those marked that the old one does not make.
pub fn since(root: &Path, old: &str, new: &str) -> Result<String> {
    Ok(render(&difference(&plan(root, old)?, &plan(root, new)?)))
}

/// The calls of a plan; `FILE#2` is the second one of a file.
fn plan(root: &Path, name: &str) -> Result<Vec<Call>> {
    let (file, number) = name.split_once('#').unwrap_or((name, "1"));
    let text = scenes::read(&root.join(file))?;
    let plan = calls(&text).into_iter().nth(number.parse::<usize>()?.saturating_sub(1));
    plan.with_context(|| format!("no such plan: {name}"))
}

/// The calls of each plan of a text: ` 5. call` and, indented, the reason.
fn calls(text: &str) -> Vec<Vec<Call>> {
    let mut plans: Vec<Vec<Call>> = Vec::new();
    for line in text.lines() {
        if let Some((number, call)) = numbered(line) {
            if number == 1 {
                plans.push(Vec::new());
            }
            let call = Call { call: call.to_owned(), why: String::new() };
            plans.last_mut().into_iter().for_each(|plan| plan.push(call.clone()));
        } else if let Some(last) = plans.last_mut().and_then(|plan| plan.last_mut())
            && line.starts_with("    ")
        {
            let space = if last.why.is_empty() { "" } else { " " };
            last.why += &format!("{space}{}", line.trim());
        }
    }
    plans
}

fn numbered(line: &str) -> Option<(usize, &str)> {
    let (number, call) = line.trim_start().split_once(". ")?;
    Some((number.parse().ok()?, call))
}

impl Call {
    /// What is compared: the name of the call, its flags, and the type of what is mounted.
    fn kind(&self) -> String {
        let name = self.call.split(['(', ' ']).next().unwrap_or_default();
        let words = self.call.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let flag = |word: &&str| {
            word.len() > 3 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let types =
            ["proc", "tmpfs", "devpts", "overlay", "sysfs", "setgroups", "uid_map", "gid_map"];
        let telling = words.filter(|word| flag(word) || types.contains(word));
        format!("{name} {}", telling.collect::<Vec<_>>().join(" "))
    }
}

/// Each call with `+` for new, `-` for gone, a space for as before: the longest common subsequence.
fn difference<'a>(old: &'a [Call], new: &'a [Call]) -> Vec<(char, &'a Call)> {
    let mut longest = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            longest[i][j] = if a.kind() == b.kind() {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i].kind() == new[j].kind() {
            lines.push((' ', &new[j]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && longest[i + 1][j] >= longest[i][j + 1] {
            lines.push(('-', &old[i]));
            i += 1;
        } else {
            lines.push(('+', &new[j]));
            j += 1;
        }
    }
    lines
}

fn render(lines: &[(char, &Call)]) -> String {
    let count = |mark| lines.iter().filter(|(it, _)| *it == mark).count();
    let mut text = format!(
        "{} calls are as before, {} are new, {} are gone.\n\n",
        count(' '),
        count('+'),
        count('-')
    );
    for hunk in lines.chunk_by(|a, b| a.0 == b.0) {
        text += &match hunk[0].0 {
            ' ' => format!("… {} as before …\n\n", hunk.len()),
            mark => self::hunk(mark, hunk),
        };
    }
    text
}

/// The calls of one hunk, and each reason once.
fn hunk(mark: char, hunk: &[(char, &Call)]) -> String {
    let mut text = "```diff\n".to_owned();
    for (_, Call { call, .. }) in hunk {
        text += &format!("{mark} {call}\n");
    }
    text += "```\n\n";
    let mut said: Vec<&str> = Vec::new();
    for (_, Call { why, .. }) in hunk.iter().filter(|(_, call)| !call.why.is_empty()) {
        if !said.contains(&&**why) {
            said.push(why);
            text += &format!("- {}\n", crate::html::escape(why));
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str =
        " 1. mount(\"proc\", \"/a\", \"proc\", MS_NOSUID)\n    why\n    so (man 2 x)\n 2. gone()\n";
    const NEW: &str = " 1. new()\n    because\n 2. mount(\"proc\", \"/b\", \"proc\", MS_NOSUID)\n";

    #[test]
    fn what_is_new_and_what_is_gone_is_found() {
        let (old, new) = (calls(OLD).remove(0), calls(NEW).remove(0));
        assert_eq!(old[0].why, "why so (man 2 x)");
        let marks: Vec<_> = difference(&old, &new).iter().map(|it| (it.0, &*it.1.call)).collect();
        assert_eq!(marks.iter().map(|it| it.0).collect::<String>(), "+ -");
        assert!(render(&difference(&old, &new)).contains("+ new()\n```\n\n- because\n"));
    }
}
