//! Nouns: `container ls` is `ps`, `image rm` is `rmi`. The same verbs, under what they are about.
//!
//! The words are replaced before clap sees them, so each verb is there once.

use std::ffi::OsString;

use clap::{
    Command,
    builder::{Resettable, Str},
};

/// No other name.
pub(super) const NONE: Resettable<Str> = Resettable::Reset;

/// What a verb is called under a noun, and what it is called alone.
type Word = (&'static str, &'static [&'static str]);

struct Noun {
    name: &'static str,
    about: &'static str,
    words: &'static [Word],
}

const NOUNS: [Noun; 2] = [
    Noun {
        name: "container",
        about: "Manage containers",
        words: &[
            ("attach", &["attach"]),
            ("commit", &["commit"]),
            ("cp", &["cp"]),
            ("create", &["create"]),
            ("diff", &["diff"]),
            ("exec", &["exec"]),
            ("export", &["export"]),
            ("inspect", &["inspect", "--type", "container"]),
            ("kill", &["kill"]),
            ("logs", &["logs"]),
            ("ls", &["ps"]),
            ("list", &["ps"]),
            ("ps", &["ps"]),
            ("pause", &["pause"]),
            ("port", &["port"]),
            ("rename", &["rename"]),
            ("restart", &["restart"]),
            ("rm", &["rm"]),
            ("remove", &["rm"]),
            ("run", &["run"]),
            ("start", &["start"]),
            ("stats", &["stats"]),
            ("stop", &["stop"]),
            ("top", &["top"]),
            ("unpause", &["unpause"]),
            ("update", &["update"]),
            ("wait", &["wait"]),
        ],
    },
    Noun {
        name: "image",
        about: "Manage images",
        words: &[
            ("history", &["history"]),
            ("import", &["import"]),
            ("inspect", &["inspect", "--type", "image"]),
            ("load", &["load"]),
            ("ls", &["images"]),
            ("list", &["images"]),
            ("pull", &["pull"]),
            ("push", &["push"]),
            ("rm", &["rmi"]),
            ("remove", &["rmi"]),
            ("save", &["save"]),
            ("tag", &["tag"]),
        ],
    },
];

/// The words of the command line, with a noun and its verb replaced by the verb alone.
pub fn spelled_out(mut words: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = first_word(&words) else { return words };
    let word = |at: usize| words.get(at).and_then(|word| word.to_str());
    let noun = NOUNS.iter().find(|noun| word(first) == Some(noun.name));
    let meant = noun.and_then(|noun| {
        noun.words.iter().find(|(name, _)| word(first + 1) == Some(*name)).map(|(_, meant)| *meant)
    });
    if let Some(meant) = meant {
        words.splice(first..first + 2, meant.iter().map(OsString::from));
    }
    words
}

/// The first word that is neither an option for all nor its value.
pub(super) fn first_word(words: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        match words.get(at)?.to_str()? {
            "--root" => at += 2,
            word if word.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
}

/// Adds the nouns to a command, for help and completion: each has copies of its verbs.
pub fn add(command: Command) -> Command {
    NOUNS.iter().fold(command, |command, noun| {
        let is_known = command.find_subcommand(noun.name).is_some();
        let known = |word: &str| {
            let noun = command.find_subcommand(noun.name);
            noun.is_some_and(|noun| noun.find_subcommand(word).is_some())
        };
        let copies: Vec<Command> = noun
            .words
            .iter()
            // `list` and `remove` are other words for the same.
            .filter(|(word, _)| !matches!(*word, "list" | "remove") && !known(word))
            .filter(|(word, meant)| *word != "ps" || meant[0] != "ps")
            .filter_map(|(word, meant)| {
                let verb = command.find_subcommand(meant[0])?.clone();
                // Its other names are other words here.
                Some(verb.name(*word).alias(NONE).visible_alias(NONE))
            })
            .collect();
        match is_known {
            true => command.mut_subcommand(noun.name, |noun| noun.subcommands(copies)),
            false => command.subcommand(
                Command::new(noun.name)
                    .about(noun.about)
                    .subcommands(copies)
                    .arg_required_else_help(true)
                    .disable_help_subcommand(true),
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_and_its_verb_are_one_verb() {
        let check = |words: &str, expected: &str| {
            let words = words.split(' ').map(OsString::from).collect();
            let out: Vec<_> =
                spelled_out(words).iter().map(|it| it.to_str().unwrap().to_owned()).collect();
            assert_eq!(out.join(" "), expected);
        };
        check("md container ls -a", "md ps -a");
        check("md --root /x image rm y", "md --root /x rmi y");
        check("md container inspect y", "md inspect --type container y");
        check("md run box container ls", "md run box container ls");
        check("md container nope", "md container nope");
        check("md container", "md container");
    }
}
