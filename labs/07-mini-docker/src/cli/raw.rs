//! Raw: what follows the image or the container is the program's, also where it looks like a flag of ours.
//!
//! clap reads flags wherever they stand. docker reads none behind the first word that is no flag, in those
//! verbs that end with a command; `run IMAGE -c 'echo'` gives `-c` to the image's entry point.

use std::ffi::OsString;

use clap::{Arg, Command};

/// The words with `--` behind the first that is no flag of the verb at this place, if what follows it is
/// a program's. `command` has that verb.
pub(super) fn marked(command: &Command, words: &[OsString], verb: usize) -> Vec<OsString> {
    let mut words = words.to_vec();
    let flags = words[verb].to_str().and_then(|name| command.find_subcommand(name));
    if let Some(flags) = flags.filter(|it| ends_with_command(it)) {
        let known: Vec<&Arg> = command.get_arguments().chain(flags.get_arguments()).collect();
        if let Some(first) = first_other(&known, &words, verb + 1) {
            words.insert(first + 1, "--".into());
        }
    }
    words
}

pub(super) fn ends_with_command(verb: &Command) -> bool {
    verb.get_positionals().last().is_some_and(Arg::is_trailing_var_arg_set)
}

/// The first word from `at` on that is neither a flag nor its value.
fn first_other(known: &[&Arg], words: &[OsString], mut at: usize) -> Option<usize> {
    loop {
        match &*words.get(at)?.to_string_lossy() {
            // Whoever types it has marked the place already.
            "--" => return None,
            "-" => return Some(at),
            word if word.starts_with('-') => at += 1 + usize::from(wants_next(known, word)),
            _ => return Some(at),
        }
    }
}

/// Whether the value of this flag, or of the last of these short ones, is the next word.
pub(super) fn wants_next(known: &[&Arg], word: &str) -> bool {
    let with_value = |is_meant: &dyn Fn(&Arg) -> bool| {
        known.iter().any(|arg| {
            is_meant(arg) && arg.get_action().takes_values() && !arg.is_require_equals_set()
        })
    };
    if let Some(name) = word.strip_prefix("--") {
        return with_value(&|arg| {
            arg.get_long() == Some(name)
                || arg.get_all_aliases().is_some_and(|all| all.contains(&name))
        });
    }
    let mut letters = word.chars().skip(1);
    let with_value = letters.find(|letter| {
        with_value(&|arg| {
            arg.get_short() == Some(*letter)
                || arg.get_all_short_aliases().is_some_and(|all| all.contains(letter))
        })
    });
    // `-p 80`, and not `-p80`.
    with_value.is_some() && letters.next().is_none()
}
