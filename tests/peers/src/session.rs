//! A session: commands and what they say, written as a terminal shows them, and played to a runtime.
//!
//! ```text
//! # The exit status is the program's.
//! $ podman run --rm box sh -c 'echo hello; exit 7'
//! hello
//! [7]
//! ```
//!
//! A line `$ command` is a step; `> ` continues it. The lines after it are what is expected, the last
//! of them the exit status in brackets unless it is 0. `#` and empty lines are for readers. Ids are shown
//! as `[ID]`, and empty lines of a program are left out.
//!
//! `UNBOXED_RECORD=1` writes down what the peer says; read the difference before you believe it.

use std::{
    env, fmt, fs,
    io::Write,
    iter::Peekable,
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    Engine,
    stage::{self, Machine, Scene, Stage},
};

/// A session, parsed.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) path: PathBuf,
    pub(crate) steps: Vec<Step>,
    /// What comes after the last step.
    tail: String,
}

/// A command and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The lines before it that are for readers.
    pub(crate) head: String,
    /// Its number of line, from 1.
    line: usize,
    pub(crate) command: String,
    pub(crate) said: String,
}

/// The runtime that passes a session before ours has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The one of the `runc` package.
    Runc,
    /// The one of the `crun` package.
    Crun,
}

/// Plays a session with an engine over the peer, then over mini-runc; prints how many steps each did.
///
/// # Panics
/// With the steps that went otherwise than the session says.
#[track_caller]
pub fn play(name: &str, engine: &'static str, peer: Peer) {
    let machine = match peer {
        Peer::Runc => Machine::Here,
        Peer::Crun => Machine::HereWithoutV2,
    };
    let theirs = Scene { engine, runtime: peer.program(), machine };
    Session::read(name).play_to_both(&theirs, Machine::Here);
}

/// The same in a guest with cgroup v2 only.
///
/// # Panics
/// As [`play`].
#[track_caller]
pub fn play_in_guest(name: &str, engine: &'static str, peer: Peer) {
    let machine = Machine::Guest;
    let theirs = Scene { engine, runtime: peer.program(), machine };
    Session::read(name).play_to_both(&theirs, machine);
}

impl Peer {
    fn program(self) -> PathBuf {
        match self {
            Self::Runc => "/usr/sbin/runc".into(),
            Self::Crun => "/usr/bin/crun".into(),
        }
    }
}

pub(crate) fn recording() -> bool {
    env::var_os("UNBOXED_RECORD").is_some()
}

impl Session {
    pub(crate) fn read(name: &str) -> Self {
        let path = directory().join(name).with_extension("console");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (steps, tail) = parse(&text);
        Self { path, steps, tail }
    }

    #[track_caller]
    fn play_to_both(&self, theirs: &Scene, machine: Machine) {
        let said = self.play(theirs);
        if recording() {
            self.record(&said);
            return;
        }
        self.compare(theirs, &said);
        let ours = Scene { runtime: Engine::program_named("mini-runc"), machine, ..*theirs };
        self.compare(&ours, &self.play(&ours));
    }

    /// What each step says on a new stage.
    #[track_caller]
    fn play(&self, scene: &Scene) -> Vec<String> {
        let started = Instant::now();
        let said = if scene.machine == Machine::Guest {
            let steps: Vec<_> = self.steps.iter().map(|step| &*step.command).collect();
            stage::in_guest(scene, &steps).into_iter().map(shown).collect()
        } else {
            self.play_here(scene)
        };
        let (runtime, seconds) = (scene.runtime.display(), started.elapsed().as_secs());
        let name = self.path.file_stem().unwrap_or_default().display();
        eprint(&format!("{name} over {runtime}: {} steps, {seconds} s", said.len()));
        said
    }

    #[track_caller]
    fn play_here(&self, scene: &Scene) -> Vec<String> {
        let mut stage = Stage::new(scene);
        let said: Vec<_> = self.steps.iter().map(|step| shown(stage.step(&step.command))).collect();
        let differs = self.steps.iter().zip(&said).any(|(step, said)| step.said != *said);
        if differs && !recording() {
            eprint(&format!("the log of {}:\n{}", scene.engine, stage.log()));
        }
        said
    }

    #[track_caller]
    fn compare(&self, scene: &Scene, said: &[String]) {
        let other = self.steps.iter().zip(said).filter(|(step, said)| step.said != **said);
        let other: Vec<_> = other.map(|(step, said)| Difference { step, said }).collect();
        let report: String = other.iter().map(ToString::to_string).collect();
        let (path, runtime) = (self.path.display(), scene.runtime.display());
        assert!(other.is_empty(), "{path} goes otherwise over {runtime}:\n{report}");
    }

    pub(crate) fn record(&self, said: &[String]) {
        let steps = self.steps.iter().zip(said).map(|(step, said)| {
            let command = step.command.replace('\n', "\n> ");
            format!("{}$ {command}\n{said}", step.head)
        });
        let text = steps.collect::<String>() + &self.tail;
        fs::write(&self.path, text).expect("the session is ours to write");
    }
}

/// Where the sessions lie.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions")
}

/// A step that went otherwise.
pub(crate) struct Difference<'a> {
    pub(crate) step: &'a Step,
    pub(crate) said: &'a str,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { line, command, said: expected, .. } = self.step;
        writeln!(f, "line {line}: $ {command}\n--- expected\n{expected}--- said\n{}", self.said)
    }
}

fn parse(text: &str) -> (Vec<Step>, String) {
    let (mut steps, mut head) = (Vec::new(), String::new());
    let mut lines = text.lines().zip(1..).peekable();
    while let Some((text, line)) = lines.next() {
        let Some(first) = text.strip_prefix("$ ") else {
            head += &format!("{text}\n");
            continue;
        };
        let mut command = first.to_owned();
        while let Some(more) = next_if(&mut lines, |it| it.starts_with("> ")) {
            command += &format!("\n{}", &more[2..]);
        }
        let mut said = String::new();
        let is_said = |it: &str| !it.is_empty() && !it.starts_with("$ ") && !it.starts_with('#');
        while let Some(more) = next_if(&mut lines, is_said) {
            said += &format!("{more}\n");
        }
        steps.push(Step { head: std::mem::take(&mut head), line, command, said });
    }
    (steps, head)
}

fn next_if<'a>(
    lines: &mut Peekable<impl Iterator<Item = (&'a str, usize)>>,
    wanted: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    lines.next_if(|(text, _)| wanted(text)).map(|(text, _)| text)
}

/// What a step said as a session shows it.
pub(crate) fn shown((said, status): (String, i32)) -> String {
    // A terminal ends lines with CR LF, and shows an end of its input as ^@ or ^D.
    let said = said.replace('\r', "").replace("^@", "").replace("^D\u{8}\u{8}", "");
    let lines = said.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let mut text: String = lines.map(|line| format!("{}\n", without_ids(line))).collect();
    if status != 0 {
        text += &format!("[{status}]\n");
    }
    text
}

/// The line with each word of 64 hexadecimal digits as `[ID]`.
fn without_ids(line: &str) -> String {
    let mut text = String::new();
    for part in line.split_inclusive(|it: char| !it.is_ascii_hexdigit()) {
        let digits = part.trim_end_matches(|it: char| !it.is_ascii_hexdigit());
        match digits.len() {
            64 => text += &part.replace(digits, "[ID]"),
            _ => text += part,
        }
    }
    text
}

/// Past the harness, which would show it only for a test that fails.
pub(crate) fn eprint(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_it_is_written() {
        let text = "# first\n\n$ echo a \\\n> b\na b\n\n# second\n$ false\n[1]\n# end\n";
        let (steps, tail) = parse(text);
        let short: Vec<_> = steps.iter().map(|it| (&*it.command, &*it.said, it.line)).collect();
        assert_eq!(short, [("echo a \\\nb", "a b\n", 3), ("false", "[1]\n", 8)]);
        assert_eq!((&*steps[1].head, &*tail), ("\n# second\n", "# end\n"));
    }

    #[test]
    fn what_differs_each_time_is_not_shown() {
        let id = "0123456789abcdef".repeat(4);
        let said = format!("^@one {id}, two\r\n\r\nabc\n");
        assert_eq!(shown((said, 3)), "one [ID], two\nabc\n[3]\n");
    }
}
