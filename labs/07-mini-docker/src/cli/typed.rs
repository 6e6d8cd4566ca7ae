//! Typed: words are read with the flags of the verb that is typed, and of no other.
//!
//! clap makes each flag of each verb before it reads a word, and `mini-docker` is executed three times
//! for a container's life: that was most of its beginning. So there is first a command line with one
//! verb. What that one refuses, and whoever asks for help, is answered by the whole.

use std::{borrow::Cow, ffi::OsString, mem::ManuallyDrop};

use clap::{Args as _, Command, CommandFactory, FromArgMatches, Subcommand, error::ErrorKind};

use super::{
    args::{self, Arguments, Global},
    booleans,
    nouns::first_word,
    raw::marked,
};

/// Reads the words of a command line, the first of them our own name.
///
/// # Errors
/// Words that make no sense, and those that ask for help or the version.
pub fn read(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let words = &plain(words);
    let Some(one) = with_one(words) else { return parse(Arguments::command(), words) };
    let words = first_word(words).map_or(words.to_vec(), |verb| marked(&one, words, verb));
    match parse(one, &words) {
        Ok(arguments) => Ok(arguments),
        Err(error) if error.kind() == ErrorKind::DisplayVersion => Err(error),
        Err(_) => parse(Arguments::command(), &words),
    }
}

/// The words, with flags that are on or off as clap knows them.
fn plain(words: &[OsString]) -> Cow<'_, [OsString]> {
    match first_word(words).filter(|_| booleans::are_in(words)) {
        Some(verb) => booleans::resolved(&Arguments::command(), words, verb).into(),
        None => words.into(),
    }
}

fn parse(command: Command, words: &[OsString]) -> Result<Arguments, clap::Error> {
    // The last word counts, as with docker.
    let command = command.args_override_self(true);
    // Taking it apart would take nearly as long as putting it together did.
    let mut command = ManuallyDrop::new(command);
    let mut matches = command.try_get_matches_from_mut(words)?;
    Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// The command line with the verb that these words name; with none where none is named.
fn with_one(words: &[OsString]) -> Option<Command> {
    let command = Command::new("mini-docker").version(env!("CARGO_PKG_VERSION"));
    let command = command.disable_version_flag(true);
    let command = Global::augment_args(command);
    let Some(at) = first_word(words) else { return Some(command) };
    let verb = words[at].to_str()?;
    Some(command.subcommand(alone(verb)?))
}

/// Puts the flags of a verb to it.
type Flags = fn(Command) -> Command;

/// The verbs, but for the few that are rarely typed.
const VERBS: [(&str, Flags); 54] = [
    ("attach", args::Attach::augment_args),
    ("commit", args::Commit::augment_args),
    ("container", args::ContainerVerb::augment_subcommands),
    ("cp", args::Cp::augment_args),
    ("create", args::Create::augment_args),
    ("diff", args::Name::augment_args),
    ("events", args::Events::augment_args),
    ("exec", args::Exec::augment_args),
    ("export", args::Export::augment_args),
    ("history", args::History::augment_args),
    ("holder", std::convert::identity),
    ("image", args::Image::augment_subcommands),
    ("images", args::Images::augment_args),
    ("import", args::Import::augment_args),
    ("info", args::Info::augment_args),
    ("inside", args::Inside::augment_args),
    ("inspect", args::Inspect::augment_args),
    ("keep", args::Kept::augment_args),
    ("kill", args::Kill::augment_args),
    ("load", args::Load::augment_args),
    ("login", args::Login::augment_args),
    ("logout", args::Logout::augment_args),
    ("logs", args::Logs::augment_args),
    ("mend", std::convert::identity),
    ("monitor", args::Monitor::augment_args),
    ("network", args::Network::augment_subcommands),
    ("pause", args::Names::augment_args),
    ("port", args::PortOf::augment_args),
    ("porter", std::convert::identity),
    ("probe", args::Probe::augment_args),
    ("ps", args::Ps::augment_args),
    ("pull", args::Pull::augment_args),
    ("push", args::Push::augment_args),
    ("rename", args::Rename::augment_args),
    ("resolver", std::convert::identity),
    ("restart", args::Restart::augment_args),
    ("resume", std::convert::identity),
    ("rm", args::Rm::augment_args),
    ("rmi", args::Rmi::augment_args),
    ("run", args::Run::augment_args),
    ("save", args::Save::augment_args),
    ("search", args::Search::augment_args),
    ("start", args::Start::augment_args),
    ("stats", args::Stats::augment_args),
    ("stop", args::Stop::augment_args),
    ("system", args::System::augment_subcommands),
    ("tag", args::Tag::augment_args),
    ("top", args::Top::augment_args),
    ("unpause", args::Names::augment_args),
    ("update", args::Update::augment_args),
    ("version", args::Version::augment_args),
    ("volume", args::Volume::augment_subcommands),
    ("wait", args::Wait::augment_args),
    ("xray", args::Xray::augment_args),
];

/// A verb by itself; `None` for one that is rarely typed, for other names, and for what is none.
fn alone(verb: &str) -> Option<Command> {
    let (name, flags) = VERBS.iter().find(|(name, _)| *name == verb)?;
    Some(flags(Command::new(*name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::nouns::NONE;

    /// Everything that a command reads, in words.
    fn reads(command: &Command) -> String {
        let names: Vec<&str> = command.get_all_aliases().collect();
        let args: Vec<String> = command.get_arguments().map(|arg| format!("{arg:#?}")).collect();
        let groups: Vec<String> = command.get_groups().map(|it| format!("{it:#?}")).collect();
        let verbs = command.get_subcommands();
        let verbs: Vec<String> = verbs.map(|it| it.get_name().to_owned() + &reads(it)).collect();
        format!("{names:?}\n{}\n{}\n{}", args.join("\n"), groups.join("\n"), verbs.join("\n"))
    }

    #[test]
    fn a_verb_reads_the_same_alone_as_among_all() {
        for whole in Arguments::command().get_subcommands() {
            match alone(whole.get_name()) {
                // Its other names are not looked for: they are read by the whole.
                Some(alone) => {
                    let nameless = whole.clone().visible_alias(NONE).alias(NONE);
                    assert_eq!(reads(&alone), reads(&nameless), "{}", whole.get_name());
                }
                None => {
                    let rare = ["completion", "demo", "man", "registry"];
                    assert!(rare.contains(&whole.get_name()), "{} is alone", whole.get_name());
                }
            }
        }
    }

    #[test]
    fn what_follows_the_image_is_the_programs() {
        let check = |line: &str, program: &[&str]| {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            let args::Command::Verb(verb) = read(&words).unwrap().command else { panic!("{line}") };
            let (image, command) = match verb {
                args::Verb::Run(it) => (it.container.image, it.container.command),
                args::Verb::Create(it) => (it.container.image, it.container.command),
                args::Verb::Exec(it) => (it.container, it.command),
                args::Verb::Top(it) => (it.container, it.options),
                other => panic!("{other:?}"),
            };
            assert_eq!((image.as_str(), command.join(" ")), ("box", program.join(" ")), "{line}");
        };
        check("md run box -c echo", &["-c", "echo"]);
        check(
            "md run --rm -e A=1 -itp 80:80 --name=x box --rm -d --root /x",
            &["--rm", "-d", "--root", "/x"],
        );
        check("md run -m100m -v /a:/b box -- -c", &["--", "-c"]);
        check("md run -d -- box -c", &["-c"]);
        check("md create --name x box -v", &["-v"]);
        check("md exec -u 1 box -d", &["-d"]);
        check("md exec --root /x box --help", &["--help"]);
        check("md top box -o pid", &["-o", "pid"]);
        check("md run box", &[]);
    }

    #[test]
    fn the_last_word_counts() {
        let words = |words: &str| words.split(' ').map(OsString::from).collect::<Vec<_>>();
        let run = |line: &str| match read(&words(line)).unwrap().command {
            args::Command::Verb(args::Verb::Run(run)) => run,
            other => panic!("{other:?}"),
        };
        let it = run("md run --name one --rm -d -e A=1 --name two --rm -e B=2 -d=false box");
        assert_eq!(it.container.name, "two");
        assert_eq!(it.container.env, ["A=1", "B=2"]);
        assert!(it.container.rm && !it.detach);
        for line in ["md list -a -a", "md network ls -q --quiet", "md ps --root /x --root /y"] {
            assert!(read(&words(line)).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_one_verb_refuses_the_whole_answers() {
        let words = |words: &str| words.split(' ').map(OsString::from).collect::<Vec<_>>();
        let check = |line: &str| {
            let whole = Arguments::command().try_get_matches_from(words(line)).err();
            let told = read(&words(line)).err();
            assert_eq!(told.map(|it| it.to_string()), whole.map(|it| it.to_string()), "{line}");
        };
        check("md run --nope box");
        check("md run --help");
        check("md network create --nope");
        check("md network");
        check("md --version");
        check("md --root");
        check("md rn");
        check("md");
        assert!(read(&words("md --root /x list -a")).is_ok());
        assert!(read(&words("md --root /x completion bash")).is_ok());
        assert!(with_one(&words("md --root /x ps -a")).is_some());
    }
}
