//! The doctor: what this machine can do, by doing it.
//!
//! A sysctl says what its writer thought of; a refused call is a refused call. So each lab is tried
//! for real, as root and as an ordinary user: its demonstration is played in a child, and what the
//! lab says when it is refused, with the command that mends it, is what the doctor says. Lab 02's
//! demonstration measures for seconds; there a limited group is made instead.

use std::{
    fs::File,
    io::Read,
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ground::{Error, Result, Table};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use serde_json::{Value, json};

/// So long may one lab take: a machine of our days needs a second, an emulated one many.
const PATIENCE: Duration = Duration::from_secs(40);

/// nobody, where nobody is known to have called sudo(8).
const NOBODY: u32 = 65534;

/// A lab, and what of it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    /// The program, as `lab-01`.
    pub program: &'static str,
    /// What it is about.
    pub subject: &'static str,
    /// What it is started with.
    pub arguments: &'static [&'static str],
}

/// The labs that a machine may refuse.
pub const LABS: [Lab; 6] = [
    lab("lab-01", "namespaces", &[]),
    lab("lab-02", "cgroups", &["limit", "--memory", "64m", "--pids", "64", "--", "true"]),
    lab("lab-03", "chroot and pivot_root", &[]),
    lab("lab-04", "overlay", &[]),
    lab("lab-05", "setns", &[]),
    lab("lab-06", "bind mounts and volumes", &[]),
];

const fn lab(
    program: &'static str,
    subject: &'static str,
    arguments: &'static [&'static str],
) -> Lab {
    Lab { program, subject, arguments }
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
    /// The lab's program.
    pub lab: &'static str,
    /// Who tried it.
    pub mode: Mode,
    /// What became of it.
    pub answer: Answer,
}

/// Tries everything at once; the labs' programs are in `programs`.
pub fn examine(programs: &Path) -> Vec<Cell> {
    let root = geteuid().is_root();
    let trials = LABS.into_iter().flat_map(|lab| [(lab, Mode::Root), (lab, Mode::Rootless)]);
    let trials = trials.map(|(lab, mode)| {
        let program = programs.join(lab.program);
        let trial = thread::spawn(move || match mode {
            Mode::Root if !root => Ok(Answer::NotTried),
            Mode::Rootless if root => trial(&program, lab.arguments, Some(ordinary_user())),
            _ => trial(&program, lab.arguments, None),
        });
        (lab, mode, trial)
    });
    let trials: Vec<_> = trials.collect();
    let cells = trials.into_iter().map(|(lab, mode, trial)| {
        let lost = || Err(Error::new(format!("cannot try {}", lab.program)));
        let answer = trial.join().unwrap_or_else(|_| lost()).unwrap_or_else(Answer::No);
        Cell { lab: lab.program, mode, answer }
    });
    cells.collect()
}

/// The user that root tries it as: who called sudo(8), or nobody.
fn ordinary_user() -> (u32, u32) {
    let id = |name| std::env::var(name).ok().and_then(|it| it.parse().ok());
    match (id("SUDO_UID"), id("SUDO_GID")) {
        (Some(uid), Some(gid)) if uid != 0 => (uid, gid),
        _ => (NOBODY, NOBODY),
    }
}

fn trial(program: &Path, arguments: &[&str], user: Option<(u32, u32)>) -> Result<Answer> {
    let cannot = |error| {
        Error::new("cannot try the lab")
            .io(format_args!("execve {}", program.display()), &error)
            .fix("cargo build --workspace --bins")
    };
    // By descriptor: another user may not be let into the directory that the program is in.
    let file = File::open(program).map_err(cannot)?;
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))
        .map_err(|errno| Error::new("cannot try the lab").call("fcntl(F_SETFD)", errno))?;
    let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    command.args(["--json"]).args(arguments).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("HOME", "/nonexistent");
    if let Some((uid, gid)) = user {
        // With another uid std drops the supplementary groups of root as well.
        command.uid(uid).gid(gid);
    }
    let mut child = command.spawn().map_err(cannot)?;
    drop(file);
    let (said, complaint) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let ended = wait(&mut child).map_err(cannot)?;
    let (said, complaint) = (said.join(), complaint.join());
    let Some(succeeded) = ended else {
        return Err(Error::new("the lab did not end")
            .why(format!("it was killed after {} s", PATIENCE.as_secs()))
            .fix("run it by hand, and see where it stays"));
    };
    Ok(judged(succeeded, &said.unwrap_or_default(), &complaint.unwrap_or_default()))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Whether it ended well; `None` when it did not end in time.
fn wait(child: &mut Child) -> std::io::Result<Option<bool>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if started.elapsed() > PATIENCE {
            let group = Pid::from_raw(-child.id().cast_signed());
            let _ = kill(group, Signal::SIGKILL);
            return child.wait().map(|_| None);
        }
        thread::sleep(Duration::from_millis(5));
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
    for lab in LABS {
        let word = |mode| {
            let mut cells = cells.iter().filter(|it| it.lab == lab.program && it.mode == mode);
            cells.next().map_or("?", |cell| cell.answer.word()).to_owned()
        };
        table.push([
            lab.program.to_owned(),
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
