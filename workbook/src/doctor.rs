//! The doctor: what this machine can do, by doing it.
//!
//! A sysctl says what its writer thought of; a refused call is a refused call. So each lab is tried
//! for real, as root and as an ordinary user: its demonstration is played in a child, and what the
//! lab says when it is refused, with the command that mends it, is what the doctor says. Lab 02's
//! demonstration measures for seconds; there a limited group is made instead. Of lab 07 containers
//! are run: a machine may have all that one needs, and neither limits nor a network for it.

mod candidate;
mod image;
mod scratch;

use std::{
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use ground::{Error, Result, Table};
use nix::unistd::geteuid;
use serde_json::{Value, json};

use candidate::Candidate;
use image::Image;

pub use scratch::{KEEPER, keep};

/// nobody, where nobody is known to have called sudo(8).
const NOBODY: u32 = 65534;

/// A lab, and what of it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    /// Its name, as `lab-01`.
    pub name: &'static str,
    /// What it is about.
    pub subject: &'static str,
    /// What its program is started with.
    pub arguments: &'static [&'static str],
}

/// The labs that a machine may refuse, each a program.
pub const LABS: [Lab; 6] = [
    lab("lab-01", "namespaces", &[]),
    lab("lab-02", "cgroups", &["limit", "--memory", "64m", "--pids", "64", "--", "true"]),
    lab("lab-03", "chroot and pivot_root", &[]),
    lab("lab-04", "overlay", &[]),
    lab("lab-05", "setns", &[]),
    lab("lab-06", "bind mounts and volumes", &[]),
];

/// What a machine may refuse of lab 07, each a container of `mini-docker run`.
pub const CONTAINERS: [Lab; 3] = [
    lab("lab-07", "mini-docker: image and container", &["--network", "none"]),
    lab(
        "lab-07 limits",
        "mini-docker: run --memory",
        &["--network", "none", "--memory", "64m", "--pids-limit", "64"],
    ),
    lab("lab-07 network", "mini-docker: run, with a network", &[]),
];

const fn lab(name: &'static str, subject: &'static str, arguments: &'static [&'static str]) -> Lab {
    Lab { name, subject, arguments }
}

/// All that is tried, in the order of the table.
fn labs() -> impl Iterator<Item = Lab> {
    LABS.into_iter().chain(CONTAINERS)
}

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Root.
    Root,
    /// An ordinary user.
    Rootless,
}

impl Mode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Rootless => "rootless",
        }
    }
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All of it works.
    Yes,
    /// It works, but for some scenes, each with its reason.
    Partly(Vec<Error>),
    /// It does not.
    No(Error),
    /// Only root can be both.
    NotTried,
}

impl Answer {
    /// Its word in the table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly(_) => "partly",
            Self::No(_) => "no",
            Self::NotTried => "?",
        }
    }

    /// What is to be mended.
    pub fn errors(&self) -> &[Error] {
        match self {
            Self::Partly(errors) => errors,
            Self::No(error) => std::slice::from_ref(error),
            Self::Yes | Self::NotTried => &[],
        }
    }
}

/// A cell of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The lab's name.
    pub lab: &'static str,
    /// Who tried it.
    pub mode: Mode,
    /// What became of it.
    pub answer: Answer,
}

/// Who starts a program: we ourselves, or a user by his ids.
type User = Option<(u32, u32)>;

/// Tries everything at once; the labs' programs are in `programs`.
pub fn examine(programs: &Path) -> Vec<Cell> {
    let modes = [Mode::Root, Mode::Rootless];
    let each = LABS.into_iter().flat_map(|lab| modes.map(|mode| (lab, mode)));
    let one = |(lab, mode)| {
        Attempt::begin(vec![lab], mode, programs, move |programs, user| {
            vec![program(programs, &lab, user).unwrap_or_else(Answer::No)]
        })
    };
    // They share an image.
    let some = |mode| Attempt::begin(CONTAINERS.into(), mode, programs, containers);
    let attempts: Vec<_> = each.map(one).chain(modes.map(some)).collect();
    attempts.into_iter().flat_map(Attempt::end).collect()
}

/// Labs that are tried in a thread, one after the other.
struct Attempt {
    labs: Vec<Lab>,
    mode: Mode,
    trial: Option<JoinHandle<Vec<Answer>>>,
}

impl Attempt {
    fn begin(
        labs: Vec<Lab>,
        mode: Mode,
        programs: &Path,
        tried: impl FnOnce(&Path, User) -> Vec<Answer> + Send + 'static,
    ) -> Self {
        let programs = programs.to_owned();
        let trial = user(mode).map(|user| thread::spawn(move || tried(&programs, user)));
        Self { labs, mode, trial }
    }

    fn end(self) -> Vec<Cell> {
        let Self { labs, mode, trial } = self;
        let lost = |_| vec![Answer::No(Error::new("cannot try the lab")); labs.len()];
        let not_tried = || vec![Answer::NotTried; labs.len()];
        let answers = trial.map_or_else(not_tried, |trial| trial.join().unwrap_or_else(lost));
        let cells = labs.iter().zip(answers);
        cells.map(|(lab, answer)| Cell { lab: lab.name, mode, answer }).collect()
    }
}

/// As whom it is tried, if we can be that.
fn user(mode: Mode) -> Option<User> {
    match (mode, geteuid().is_root()) {
        (Mode::Root, false) => None,
        (Mode::Rootless, true) => Some(Some(ordinary_user())),
        _ => Some(None),
    }
}

fn program(programs: &Path, lab: &Lab, user: User) -> Result<Answer> {
    let candidate = Candidate::open(&programs.join(lab.name), user)?;
    let ran = candidate.run(&[&["--json"], lab.arguments].concat())?;
    Ok(judged(ran.succeeded, &ran.said, &ran.complaint))
}

fn containers(programs: &Path, user: User) -> Vec<Answer> {
    let image = match Image::make(&programs.join("mini-docker"), user) {
        Ok(image) => image,
        Err(error) => return vec![Answer::No(error); CONTAINERS.len()],
    };
    let run = |lab: Lab| image.run(lab.arguments).map_or_else(Answer::No, |()| Answer::Yes);
    CONTAINERS.map(run).into()
}

/// The user that root tries it as: who called sudo(8), or nobody.
fn ordinary_user() -> (u32, u32) {
    let id = |name| std::env::var(name).ok().and_then(|it| it.parse().ok());
    match (id("SUDO_UID"), id("SUDO_GID")) {
        (Some(uid), Some(gid)) if uid != 0 => (uid, gid),
        _ => (NOBODY, NOBODY),
    }
}

/// The events of a demonstration, as an answer.
fn judged(succeeded: bool, said: &str, complaint: &str) -> Answer {
    let values = |text: &str| -> Vec<Value> {
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    if !succeeded {
        let reports = values(complaint);
        let report = reports.iter().rev().find_map(|it| it.get("error").or(Some(it)));
        let told = report.filter(|it| it.get("what").is_some()).map(Error::from_json);
        let silent = || {
            let last = complaint.lines().last().unwrap_or("nothing");
            Error::new("the lab ended without a word").why(format!("it said: {last}"))
        };
        return Answer::No(told.unwrap_or_else(silent));
    }
    let events = values(said);
    let absent = events.iter().filter(|it| it["event"] == "not_here");
    let mut errors: Vec<Error> = absent.map(|it| Error::from_json(&it["error"])).collect();
    // Later scenes say "as above".
    errors.retain(|error| error.fix.is_some() || error.why.as_deref() != Some("as above"));
    errors.dedup();
    if errors.is_empty() { Answer::Yes } else { Answer::Partly(errors) }
}

/// The table lab x mode.
pub fn table(cells: &[Cell]) -> Table {
    let mut table = Table::new(["lab", "about", "root", "rootless"]);
    for lab in labs() {
        let word = |mode| {
            let mut cells = cells.iter().filter(|it| it.lab == lab.name && it.mode == mode);
            cells.next().map_or("?", |cell| cell.answer.word()).to_owned()
        };
        table.push([
            lab.name.to_owned(),
            lab.subject.to_owned(),
            word(Mode::Root),
            word(Mode::Rootless),
        ]);
    }
    table
}

/// Each reason once, with the labs and modes that it stands in the way of.
pub fn reasons(cells: &[Cell]) -> Vec<(String, Error)> {
    let mut reasons: Vec<(Vec<String>, Error)> = Vec::new();
    for cell in cells {
        for error in cell.answer.errors() {
            let place = format!("{} {}", cell.lab, cell.mode.name());
            let same = |it: &&mut (Vec<String>, Error)| {
                (&it.1.what, &it.1.fix) == (&error.what, &error.fix)
            };
            match reasons.iter_mut().find(same) {
                Some((places, _)) => places.push(place),
                None => reasons.push((vec![place], error.clone())),
            }
        }
    }
    reasons.into_iter().map(|(places, error)| (places.join(", "), error)).collect()
}

/// The same for a program.
pub fn to_json(cells: &[Cell]) -> Value {
    let cells = cells.iter().map(|cell| {
        let errors: Vec<_> = cell.answer.errors().iter().map(Error::to_json).collect();
        let (mode, answer) = (cell.mode.name(), cell.answer.word());
        json!({ "lab": cell.lab, "mode": mode, "answer": answer, "errors": errors })
    });
    Value::Array(cells.collect())
}

/// Where the labs' programs are: beside ours.
///
/// # Errors
/// When our own path cannot be read.
pub fn programs() -> Result<PathBuf> {
    let ours = std::env::current_exe().map_err(|error| {
        Error::new("cannot find the labs").io("readlink /proc/self/exe", &error)
    })?;
    Ok(ours.parent().map(Path::to_owned).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_labs_words() {
        let report = r#"{"event":"error","error":{"what":"no","why":"because","fix":"do"}}"#;
        let Answer::No(error) = judged(false, "", report) else { panic!("not no") };
        assert_eq!((error.what.as_str(), error.fix.as_deref()), ("no", Some("do")));
    }

    #[test]
    fn scenes_that_are_not_here_are_named_once() {
        let said = "{\"event\":\"not_here\",\"error\":{\"what\":\"no\",\"fix\":\"do\"}}\n\
                    {\"event\":\"not_here\",\"error\":{\"what\":\"no\",\"why\":\"as above\"}}";
        assert_eq!(judged(true, said, "").errors().len(), 1);
        assert_eq!(judged(true, "", ""), Answer::Yes);
    }
}
