//! Usage: what is wrong with a command line, in Docker's words.

use std::{error::Error as _, ffi::OsString, process::ExitCode};

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use ground::Error;

/// Docker's status for a flag that makes no sense.
const WRONG_FLAG: u8 = 125;

/// Help is no failure; everything else is told with what mends it.
pub fn tell(error: &clap::Error, words: &[OsString]) -> ExitCode {
    use ErrorKind::{
        DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion, InvalidSubcommand,
    };
    // The nouns, and the groups of verbs, are only in the whole command.
    let whole = || super::command().try_get_matches_from(words).err();
    match error.kind() {
        DisplayVersion => print(error),
        DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand => {
            print(whole().as_ref().unwrap_or(error))
        }
        InvalidSubcommand => match whole() {
            Some(help) if is_help(help.kind()) => print(&help),
            _ => fail(&report(error, words)),
        },
        _ => fail(&report(error, words)),
    }
}

fn is_help(kind: ErrorKind) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand};
    matches!(kind, DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand)
}

fn print(help: &clap::Error) -> ExitCode {
    // A reader that went away cannot be told so.
    let _ = help.print();
    ExitCode::SUCCESS
}

fn fail(report: &Error) -> ExitCode {
    crate::report(report);
    ExitCode::from(report.exit_code)
}

fn report(error: &clap::Error, words: &[OsString]) -> Error {
    let mut whole = super::command();
    whole.build();
    let (name, verb) = meant(&whole, words);
    let usage = verb.clone().bin_name(&name).render_usage().to_string();
    let report = |what: String, code| {
        Error::new(what)
            .why(usage.replacen("Usage: ", "usage: ", 1))
            .fix(format!("{name} --help tells more"))
            .exit_code(code)
    };
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand);
            suggested(report(format!("unknown command: {name} {word}"), 1), error, &name)
        }
        ErrorKind::UnknownArgument if argument.starts_with("--") => {
            suggested(report(format!("unknown flag: {argument}"), WRONG_FLAG), error, &name)
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let letter = argument.trim_start_matches('-').chars().take(1).collect::<String>();
            report(format!("unknown shorthand flag: '{letter}' in {argument}"), WRONG_FLAG)
        }
        ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument => {
            report(format!("'{name}' {}", wanted(verb)), 1)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            invalid(error, &report(String::new(), WRONG_FLAG))
        }
        _ => {
            let said = error.to_string();
            let first = said.lines().next().unwrap_or_default();
            report(first.trim_start_matches("error: ").to_owned(), WRONG_FLAG)
        }
    }
}

/// The verb that was meant, by its full name.
fn meant<'c>(whole: &'c Command, words: &[OsString]) -> (String, &'c Command) {
    let mut command = whole;
    let mut name = whole.get_name().to_owned();
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word == "--root" {
            words.next();
        } else if let Some(verb) = command.find_subcommand(word) {
            name = format!("{name} {word}");
            command = verb;
        } else if !word.starts_with('-') {
            break;
        }
    }
    (name, command)
}

/// `requires at least 1 argument`
fn wanted(verb: &Command) -> String {
    let positionals: Vec<&Arg> = verb.get_positionals().collect();
    let least = positionals.iter().filter(|arg| arg.is_required_set()).count();
    let is_many = |arg: &&Arg| arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    let most = positionals.len();
    let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
    if positionals.iter().any(is_many) {
        return format!("requires at least {least} {}", plural(least));
    }
    match (least, most) {
        (_, 0) => "accepts no arguments".into(),
        (0, most) => format!("accepts at most {most} {}", plural(most)),
        (least, most) if least == most => format!("requires {least} {}", plural(least)),
        (least, most) => format!("requires at least {least} and at most {most} arguments"),
    }
}

/// `invalid argument "x" for "--filter <NAME=VALUE>" flag: why`
fn invalid(error: &clap::Error, usual: &Error) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let flag = argument.split(" <").next().unwrap_or_default();
    let what = match flag.starts_with('-') {
        true => format!("invalid argument {value:?} for \"{flag}\" flag"),
        false => format!("invalid argument {value:?} for {argument}"),
    };
    let source = error.source();
    if let Some(cause) = source.and_then(|it| it.downcast_ref::<Error>()) {
        let why = cause.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let fix = cause.fix.clone().or_else(|| usual.fix.clone()).unwrap_or_default();
        let report = Error::new(what).why(format!("{}{why}", cause.what));
        return report.fix(fix).exit_code(WRONG_FLAG);
    }
    let report = Error { what, why: source.map(ToString::to_string), ..usual.clone() };
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => report.fix(format!("one of: {}", values.join(", "))),
        _ => report,
    }
}

/// What is nearly the same, if there is such a thing.
fn suggested(report: Error, error: &clap::Error, name: &str) -> Error {
    let kinds = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg];
    let nearest = kinds.iter().find_map(|kind| match error.get(*kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    });
    match nearest {
        Some(nearest) => report.fix(format!("did you mean {nearest}? {name} --help shows all")),
        None => report,
    }
}
