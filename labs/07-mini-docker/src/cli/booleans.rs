//! Booleans: `--rm=true`, `-d=false`. What docker reads of a flag that is on or off.
//!
//! clap's flags take no value. So a flag that is on becomes the flag alone before clap reads the words,
//! and one that is off is taken out, also where it was on before: the last word counts.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::raw::{ends_with_command, wants_next};

/// Whether a word may be a flag with such a value. Usually none is, and nobody needs the flags.
pub(super) fn are_in(words: &[OsString]) -> bool {
    words.iter().any(|word| word.to_str().and_then(split).is_some())
}

/// The words of a command line without the values of flags that have none. `command` has all verbs.
pub(super) fn resolved(command: &Command, words: &[OsString], verb: usize) -> Vec<OsString> {
    let mut known: Vec<&Arg> = command.get_arguments().collect();
    let (mut verbs, mut is_over) = (command, false);
    let (mut out, mut at): (Vec<OsString>, usize) = (words[..verb].to_vec(), verb);
    while let Some(word) = words.get(at).filter(|_| !is_over) {
        at += 1;
        match &*word.to_string_lossy() {
            "--" => is_over = true,
            text if text.len() > 1 && text.starts_with('-') => {
                if let Some((flag, is_on)) = split(text).filter(|(flag, _)| is_switch(&known, flag))
                {
                    switch(&mut out, &known, (flag, is_on), verb);
                    continue;
                }
                let value = words.get(at).filter(|_| wants_next(&known, text));
                out.push(word.clone());
                out.extend(value.cloned());
                at += usize::from(value.is_some());
                continue;
            }
            text => match verbs.find_subcommand(text) {
                Some(verb) => {
                    known.extend(verb.get_arguments());
                    verbs = verb;
                }
                // What follows is another program's.
                None => is_over = ends_with_command(verbs),
            },
        }
        out.push(word.clone());
    }
    out.extend_from_slice(&words[at..]);
    out
}

/// A flag and what is said of it, in the words of strconv.ParseBool.
fn split(word: &str) -> Option<(&str, bool)> {
    let (flag, value) = word.split_once('=').filter(|(flag, _)| flag.starts_with('-'))?;
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some((flag, true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some((flag, false)),
        _ => None,
    }
}

/// Whether clap would refuse a value of this flag, or of the last of these short ones.
fn is_switch(known: &[&Arg], flag: &str) -> bool {
    let arg = match flag.strip_prefix("--") {
        Some(name) => known.iter().find(|arg| is_long(arg, name)),
        None => flag.chars().last().and_then(|it| known.iter().find(|arg| is_short(arg, it))),
    };
    arg.is_some_and(|arg| matches!(arg.get_action(), ArgAction::SetTrue))
        && (flag.starts_with("--") || !wants_next(known, flag))
}

fn is_long(arg: &Arg, name: &str) -> bool {
    arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|it| it.contains(&name))
}

fn is_short(arg: &Arg, letter: char) -> bool {
    arg.get_short() == Some(letter)
        || arg.get_all_short_aliases().is_some_and(|it| it.contains(&letter))
}

/// Puts a flag to the words, or takes it out of them.
fn switch(words: &mut Vec<OsString>, known: &[&Arg], (flag, is_on): (&str, bool), verb: usize) {
    if is_on {
        return words.push(flag.into());
    }
    // Of several short ones only the last is off.
    let last = flag.chars().last().unwrap_or_default();
    if let Some(others) = flag.strip_suffix(last).filter(|it| it.len() > 1 && !it.starts_with("--"))
    {
        words.push(others.into());
    }
    let arg = known.iter().find(|arg| match flag.strip_prefix("--") {
        Some(name) => is_long(arg, name),
        None => is_short(arg, last),
    });
    let Some(arg) = arg else { return };
    let (mut kept, mut is_value) = (words[..verb].to_vec(), false);
    for word in words.drain(verb..) {
        let text = word.to_string_lossy();
        let is_flag = !is_value && text.len() > 1 && text.starts_with('-');
        is_value = is_flag && wants_next(known, &text);
        match text.strip_prefix("--") {
            Some(name) if is_flag && is_long(arg, name) => {}
            None if is_flag => kept.extend(without(known, arg, &text)),
            _ => kept.push(word.clone()),
        }
    }
    *words = kept;
}

/// Short flags without this one; nothing where it was the only one.
fn without(known: &[&Arg], arg: &Arg, cluster: &str) -> Option<OsString> {
    let takes_value = |letter: char| {
        known.iter().any(|arg| is_short(arg, letter) && arg.get_action().takes_values())
    };
    // What follows a flag with a value is that value.
    let end = cluster.find(takes_value).unwrap_or(cluster.len());
    let (flags, rest) = cluster.split_at(end);
    let flags: String = flags.chars().filter(|it| !is_short(arg, *it)).collect();
    let left = flags + rest;
    (left.len() > 1).then(|| left.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Arguments;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let out = resolved(&Arguments::command(), &words, 1);
        let out: Vec<_> = out.iter().map(|it| it.to_str().unwrap()).collect();
        assert_eq!(out.join(" "), expected);
    }

    #[test]
    fn a_flag_that_is_on_stands_alone_and_one_that_is_off_is_not_there() {
        check("md run --rm=true -d=false box", "md run --rm box");
        check("md run --rm --rm=false --rm=1 box", "md run --rm box");
        check("md run --rm -ditp 80 --detach=F box", "md run --rm -itp 80 box");
        check("md run -it=false -e i box", "md run -i -e i box");
        check("md run -it -i=0 -ei box", "md run -t -ei box");
        check("md run -e --rm -l d --rm=false box", "md run -e --rm -l d box");
        check("md network ls -q=true --no-trunc=false", "md network ls -q");
        check("md ps --quiet=t -a=False", "md ps --quiet");
        check("md logs box -f=true", "md logs box -f");
    }

    #[test]
    fn what_is_no_such_flag_stays() {
        check("md run -e=true --label=1 -p=0 box", "md run -e=true --label=1 -p=0 box");
        check("md run box --rm=false -d=true", "md run box --rm=false -d=true");
        check("md exec box --tty=true", "md exec box --tty=true");
        check("md attach --sig-proxy=false box", "md attach --sig-proxy=false box");
        check("md ps -- -a=true", "md ps -- -a=true");
        check("md ps --nope=true", "md ps --nope=true");
        check("md ps --all=maybe", "md ps --all=maybe");
    }
}
