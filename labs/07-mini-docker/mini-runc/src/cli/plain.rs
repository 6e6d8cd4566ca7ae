//! The words that engines type, read one after the other.
//!
//! clap puts together what all options are before it reads the first word, and carries their values
//! back at the end, which takes longer than to delete a container. Here an option is an arm of a
//! match that names the field for its value. What is not among them, or makes no sense, is left to
//! clap: it knows all of them, and has words for it.

use std::{ffi::OsString, slice, str::FromStr};

use clap::ValueEnum;

use super::args::{
    Args, Command, Create, Delete, Exec, Global, How, Id, Kill, LogFormat, Run, TERM,
};

/// Whoever knows an option reads its value; `None` from all of them leaves the line to clap.
type Take<'t> = &'t mut dyn FnMut(&str, &mut Words<'_>) -> Option<()>;

/// Reads a command line, its first word our own name.
pub(super) fn read(words: &[OsString]) -> Option<Args> {
    let (mut global, mut words) = (Global::default(), Words(words.get(1..)?.iter()));
    let name = words.plain(&mut |option, words| global.take(option, words))??;
    let command = command(name, words, &mut global)?;
    Some(Args { global, command })
}

fn command(name: &str, mut words: Words<'_>, global: &mut Global) -> Option<Command> {
    match name {
        "start" => words.id(&mut |option, words| global.take(option, words)).map(Command::Start),
        "state" => words.id(&mut |option, words| global.take(option, words)).map(Command::State),
        "create" => {
            let mut how = How::default();
            let id = words.id(&mut |option, words| {
                how.take(option, words).or_else(|| global.take(option, words))
            })?;
            Some(Command::Create(Create { how, explain: false, json: false, id }))
        }
        "run" => {
            let (mut how, mut detach, mut keep) = (How::default(), false, false);
            let id = words.id(&mut |option, words| match option {
                "--detach" | "-d" => put(&mut detach, Some(true)),
                "--keep" => put(&mut keep, Some(true)),
                _ => how.take(option, words).or_else(|| global.take(option, words)),
            })?;
            Some(Command::Run(Run { how, detach, keep, id }))
        }
        "delete" => {
            let mut force = false;
            let id = words.id(&mut |option, words| match option {
                "--force" | "-f" => put(&mut force, Some(true)),
                _ => global.take(option, words),
            })?;
            Some(Command::Delete(Delete { force, id }))
        }
        "kill" => kill(words, global),
        "exec" => exec(words, global),
        _ => None,
    }
}

fn kill(mut words: Words<'_>, global: &mut Global) -> Option<Command> {
    let mut all = false;
    let take: Take<'_> = &mut |option, words| match option {
        "--all" | "-a" => put(&mut all, Some(true)),
        _ => global.take(option, words),
    };
    let id = Id { id: words.plain(take)??.to_owned() };
    let signal = words.plain(take)?.unwrap_or(TERM).to_owned();
    let at_end = words.plain(take)?.is_none();
    at_end.then_some(Command::Kill(Kill { all, id, signal }))
}

fn exec(mut words: Words<'_>, global: &mut Global) -> Option<Command> {
    let mut exec = Exec::default();
    let id = words.plain(&mut |option, words| {
        exec.take(option, words).or_else(|| global.take(option, words))
    })??;
    exec.id = Id { id: id.to_owned() };
    // What follows is the program's, options too, unless the first is one.
    exec.command = words.0.map(|it| it.to_str().map(str::to_owned)).collect::<Option<_>>()?;
    let is_option = exec.command.first().is_some_and(|it| it.starts_with('-'));
    let is_told_twice = exec.process.is_some() && !exec.command.is_empty();
    (!is_option && !is_told_twice).then(|| Command::Exec(Box::new(exec)))
}

impl Global {
    fn take(&mut self, option: &str, words: &mut Words<'_>) -> Option<()> {
        match option {
            "--root" => put(&mut self.root, words.value().map(Some)),
            "--log" => put(&mut self.log, words.value().map(Some)),
            "--log-format" => put(&mut self.log_format, words.value()),
            "--systemd-cgroup" => put(&mut self.systemd_cgroup, Some(true)),
            "--debug" => put(&mut self.debug, Some(true)),
            _ => None,
        }
    }
}

impl How {
    fn take(&mut self, option: &str, words: &mut Words<'_>) -> Option<()> {
        match option {
            "--bundle" | "-b" => put(&mut self.bundle, words.value()),
            "--pid-file" => put(&mut self.pid_file, words.value().map(Some)),
            "--console-socket" => put(&mut self.console_socket, words.value().map(Some)),
            "--pidfd-socket" => put(&mut self.pidfd_socket, words.value().map(Some)),
            "--preserve-fds" => put(&mut self.preserve_fds, words.value()),
            "--no-pivot" => put(&mut self.no_pivot, Some(true)),
            "--no-new-keyring" => put(&mut self.no_new_keyring, Some(true)),
            _ => None,
        }
    }
}

impl Exec {
    /// `--process` is read only where no option is typed that goes against it.
    fn take(&mut self, option: &str, words: &mut Words<'_>) -> Option<()> {
        let alone = self.process.is_none();
        match option {
            "--process" | "-p" if self.is_untold() => {
                put(&mut self.process, words.value().map(Some))
            }
            "--cwd" if alone => put(&mut self.cwd, words.value().map(Some)),
            "--user" | "-u" if alone => put(&mut self.user, words.value().map(Some)),
            "--env" | "-e" if alone => words.value().map(|it| self.env.push(it)),
            "--console-socket" => put(&mut self.console_socket, words.value().map(Some)),
            "--pid-file" => put(&mut self.pid_file, words.value().map(Some)),
            "--detach" | "-d" => put(&mut self.detach, Some(true)),
            "--tty" | "-t" => put(&mut self.tty, Some(true)),
            _ => None,
        }
    }

    fn is_untold(&self) -> bool {
        self.cwd.is_none() && self.user.is_none() && self.env.is_empty()
    }
}

/// Puts the value of an option in its place, if there is one.
fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    value.map(|value| *place = value)
}

/// The words that are still to be read.
struct Words<'a>(slice::Iter<'a, OsString>);

impl<'a> Words<'a> {
    /// The next word that is no option, when each option before it was taken; `Some(None)` at the end.
    fn plain(&mut self, take: Take<'_>) -> Option<Option<&'a str>> {
        while let Some(word) = self.0.next() {
            let word = word.to_str()?;
            if !word.starts_with('-') {
                return Some(Some(word));
            }
            take(word, self)?;
        }
        Some(None)
    }

    /// The container's name, the only word that is no option.
    fn id(&mut self, take: Take<'_>) -> Option<Id> {
        let id = self.plain(take)??.to_owned();
        self.plain(take)?.is_none().then_some(Id { id })
    }

    /// The value of the option before: a word that could be an option itself is none.
    fn value<T: FromStr>(&mut self) -> Option<T> {
        let word = self.0.next()?.to_str()?;
        if word.is_empty() || word.starts_with('-') { None } else { word.parse().ok() }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        <Self as ValueEnum>::from_str(word, false)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    /// Read here as clap reads it.
    #[track_caller]
    fn same(line: &str) {
        let all = Args::try_parse_from(words(line)).unwrap();
        assert_eq!(format!("{:?}", read(&words(line)).unwrap()), format!("{all:?}"));
    }

    /// Left to clap.
    #[track_caller]
    fn left(line: &str) {
        assert!(read(&words(line)).is_none(), "{line}");
    }

    #[test]
    fn what_engines_type_is_read_as_clap_reads_it() {
        same("runc --root /r --log /l --log-format json create --bundle /b --pid-file /p box");
        same("runc create --root /r -b /b --root /s box --console-socket c --systemd-cgroup");
        same("runc create --no-pivot --no-new-keyring --pidfd-socket s box");
        same("runc --debug --systemd-cgroup start box");
        same("runc state box --log-format text");
        same("runc run -d --keep --preserve-fds 3 create");
        same("runc kill --all box KILL");
        same("runc kill box");
        same("runc delete box --force --log-format json");
        same("runc exec -t --cwd / -e A=1 -e B=2 -u 1:2 box delete --force -- x");
        same("runc exec --process /p --console-socket /s --pid-file /f -d box");
        same("runc --root exec state box");
    }

    #[test]
    fn all_else_is_left_to_clap() {
        left("runc");
        left("runc --version");
        left("runc --help create box");
        left("runc --force delete box");
        left("runc --bundle /b create box");
        left("runc --rootless true start box");
        left("runc --root=/r start box");
        left("runc --log-format xml start box");
        left("runc create --help");
        left("runc create --explain box");
        left("runc create --nonsense box");
        left("runc create --bundle --root box");
        left("runc run --preserve-fds many box");
        left("runc start");
        left("runc start a b");
        left("runc start -- box");
        left("runc kill box KILL x");
        left("runc exec --process /p box sh");
        left("runc exec --process /p --cwd / box");
        left("runc exec --cwd / --process /p box");
        left("runc exec box -t sh");
        left("runc exec --cap CAP_KILL box sh");
        left("runc exec");
        left("runc spec --rootless");
        left("runc list");
    }
}
