//! The door: the flags that every lab has, and the end of every program.
//!
//! This is the only place of the crate that looks at flags, the environment or the terminal; from
//! here on it is a [`Look`].

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use clap::{
    Arg, ArgAction, ArgMatches, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use terminal_size::Width;

use crate::{Look, Narrator, Result};

/// What a lab does and how it is told are two lists in its help.
const HEADING: &str = "How it is told";

/// The flags that every lab has.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Flags {
    /// Print what would be done, step by step, and do nothing
    #[arg(long, global = true, help_heading = HEADING)]
    pub explain: bool,
    /// Print events as JSON, one a line
    #[arg(long, global = true, help_heading = HEADING)]
    pub json: bool,
    /// Wait for Enter between the steps of the demonstration
    #[arg(long, global = true, help_heading = HEADING)]
    pub pause: bool,
}

impl Flags {
    fn look(self, stream: &(impl IsTerminal + AsFd)) -> Look {
        let Self { explain, json, pause } = self;
        let plain = look(stream);
        Look { explain, json, pause, colour: plain.colour && !json, ..plain }
    }
}

/// How to tell something on `stream`, with colours only on a terminal that has them and unless
/// `NO_COLOR` is set (<https://no-color.org>).
pub fn look(stream: &(impl IsTerminal + AsFd)) -> Look {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let columns = terminal_size::terminal_size_of(stream).map(|(Width(it), _)| it.into());
    let colour = !no_color && !dumb && stream.is_terminal();
    Look { colour, columns, ..Look::default() }
}

/// Reads what was typed; where it cannot be meant, ends the program in clap's words. Whoever forgot
/// the `--` before a command is told of it.
pub fn parse<A: Parser>() -> A {
    A::try_parse().unwrap_or_else(|error| hinted(error).exit())
}

fn hinted(mut error: clap::Error) -> clap::Error {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(unknown)) if usage.contains("-- <") => unknown,
        _ => return error,
    };
    if error.kind() == ErrorKind::UnknownArgument && !unknown.starts_with('-') {
        let hint = format!("a command comes after two dashes: '-- {unknown}'");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    }
    error
}

/// What can be asked for one by one, each by a flag of its own, as unshare(1) has a flag for each
/// kind of namespace.
pub trait Switch: Copy + Send + Sync + 'static {
    /// All of them, in the order of the help.
    const ALL: &'static [Self];
    /// The long flag, without its dashes.
    fn long(self) -> &'static str;
    /// The short one.
    fn short(self) -> char;
    /// What the help says of it.
    fn help(self) -> &'static str;
}

/// Those that were asked for, in the order of [`Switch::ALL`]. `#[command(flatten)]` it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switches<S>(pub Vec<S>);

impl<S: Switch> clap::Args for Switches<S> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(S::ALL.iter().map(|switch| {
            let flag = Arg::new(switch.long()).long(switch.long()).short(switch.short());
            flag.help(switch.help()).action(ArgAction::SetTrue)
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<S: Switch> clap::FromArgMatches for Switches<S> {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let asked_for = |switch: &S| matches.get_flag(switch.long());
        Ok(Self(S::ALL.iter().copied().filter(asked_for).collect()))
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs a lab's `main` with a narrator on standard output; an error goes to standard error and
/// becomes the exit status.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # #[derive(clap::Parser)] struct Args { #[command(flatten)] flags: ground::cli::Flags }
/// # fn play(_: &mut ground::Narrator<'_>) -> ground::Result<ExitCode> { Ok(ExitCode::SUCCESS) }
/// fn main() -> ExitCode {
///     let args: Args = ground::cli::parse();
///     ground::cli::run(args.flags, |narrator| play(narrator))
/// }
/// ```
pub fn run(flags: Flags, main: impl FnOnce(&mut Narrator<'_>) -> Result<ExitCode>) -> ExitCode {
    // Not the line-buffered lock: children write to the same descriptor, so nothing of ours may
    // wait in a buffer while they run. `Stdout` flushes at each line feed.
    let mut stdout = io::stdout();
    let ended = main(&mut Narrator::new(&mut stdout, flags.look(&io::stdout())));
    ended.unwrap_or_else(|error| {
        let mut stderr = io::stderr();
        // A reader that went away cannot be told so.
        let _ = Narrator::new(&mut stderr, flags.look(&io::stderr())).error(&error);
        let _ = stdout.flush();
        ExitCode::from(error.exit_code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Limit {
        #[arg(long)]
        _memory: bool,
        #[arg(last = true)]
        _cmd: Vec<String>,
    }

    #[track_caller]
    fn check(line: &str, hinted_at: bool) {
        let words = ["limit"].into_iter().chain(line.split(' '));
        let said = hinted(Limit::try_parse_from(words).unwrap_err()).to_string();
        assert_eq!(said.contains("a command comes after two dashes: '-- "), hinted_at, "{said}");
    }

    #[test]
    fn a_command_without_its_dashes_is_told_of_them() {
        check("ls -l", true);
        check("--memory ls", true);
        check("--memroy -- ls", false);
    }
}
