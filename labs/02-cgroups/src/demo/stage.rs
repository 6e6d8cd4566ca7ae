//! The stage: where groups are made for a scene, and how its workers are started and measured.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cgroups::{Controller, Controllers, Group, Hierarchies, Limits, Site, Stat, Temporary};
use ground::{Error, Evidence, Explanation, Outcome, Result};
use namespaces::{Child, Exit};
use nix::{fcntl::OFlag, unistd::pipe2};

use crate::commands::{limit::own_program, spawn};

/// What the scenes share.
#[derive(Debug)]
pub struct Stage {
    /// The machine's trees.
    pub hierarchies: Hierarchies,
    /// Where we may make groups, or why nowhere.
    pub site: Result<Site>,
    /// Whether the reason was told already.
    pub told_why: bool,
}

impl Stage {
    /// Plays a scene in a group of its own, which is removed at its end; or says why not here.
    pub fn in_group(
        &mut self,
        what: &str,
        limited: &[Controller],
        play: impl FnOnce(&Group) -> Result<Evidence>,
    ) -> Result<Outcome> {
        self.in_groups(&[what], limited, |groups| match groups {
            [group] => play(group),
            _ => Err(contradiction("one group", groups.len())),
        })
    }

    /// As [`Stage::in_group`], for a scene that compares.
    pub fn in_groups(
        &mut self,
        names: &[&str],
        limited: &[Controller],
        play: impl FnOnce(&[Temporary]) -> Result<Evidence>,
    ) -> Result<Outcome> {
        let site = match &self.site {
            Ok(site) => site,
            Err(error) if self.told_why => {
                return Ok(Outcome::NotHere(Error::new(&error.what).why("as above")));
            }
            Err(error) => {
                self.told_why = true;
                return Ok(Outcome::NotHere(error.clone()));
            }
        };
        let limited: Controllers = limited.iter().copied().collect();
        if let Err(error) = site.require(&limited) {
            return Ok(Outcome::NotHere(error));
        }
        let needed = needed(&limited);
        let made = names.iter().map(|name| Temporary::guarded(site, name, &needed));
        let groups = made.collect::<Result<Vec<_>>>()?;
        let evidence = play(&groups)?;
        groups.into_iter().try_for_each(Temporary::remove)?;
        Ok(evidence.into())
    }
}

/// What a scene's group is made with: what is limited, and what is counted anyway.
pub fn needed(limited: &Controllers) -> Controllers {
    limited.iter().copied().chain(Controller::accounting()).collect()
}

/// The scene's group as it will be, for its plan.
pub fn on_paper(site: &Site, what: &str, limited: &[Controller]) -> Result<Group> {
    Group::plan(site, Temporary::name(what), &needed(&limited.iter().copied().collect()))
}

/// The calls that set `limits`; none where this machine cannot.
pub fn set(site: &Site, what: &str, limits: &Limits) -> Result<Vec<Explanation>> {
    let controllers: Vec<Controller> = limits.controllers().into_iter().collect();
    let group = on_paper(site, what, &controllers)?;
    let writes = group.writes(limits).unwrap_or_default();
    Ok(writes.iter().map(|(dir, write)| write.explain(dir)).collect())
}

/// A read for a plan.
pub fn read(path: &Path, why: &str) -> Explanation {
    Explanation::new(format!("read(\"{}\")", path.display()), why, "7 cgroups")
}

/// The file of a controller in `group`; the plain name where the controller is not there.
pub fn file(group: &Group, controller: Controller, name: &str) -> PathBuf {
    group.dir_of(controller).unwrap_or(Path::new("")).join(name)
}

/// A worker: this program in one of its hidden roles, and what it says.
#[derive(Debug)]
pub struct Worker {
    pub child: Child,
    /// What it writes to standard output.
    pub says: BufReader<File>,
}

impl Worker {
    /// Starts it inside `group`.
    pub fn start(group: Option<&Group>, arguments: &[&str]) -> Result<Self> {
        let (says, stdout) = pipe()?;
        let mut command = vec![own_program()?];
        command.extend(arguments.iter().map(|it| (*it).into()));
        let child = spawn::spawn(group, &command, Some(stdout))?.start()?;
        Ok(Self { child, says: BufReader::new(File::from(says)) })
    }

    /// Its next line; empty when it has ended.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.says.read_line(&mut line);
        read.map_err(|error| Error::new("cannot hear the worker").io("read", &error))?;
        Ok(line.trim_end().to_owned())
    }

    /// Its next line as numbers.
    pub fn numbers<const N: usize>(&mut self) -> Result<[u64; N]> {
        let line = self.line()?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|it| it.parse().ok()).collect();
        numbers
            .try_into()
            .map_err(|_| Error::new("the worker did not answer").why(format!("it said '{line}'")))
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let made = pipe2(OFlag::O_CLOEXEC);
    made.map_err(|errno| Error::new("cannot hear the worker").call("pipe2(O_CLOEXEC)", errno))
}

/// What a worker used from its start to its end.
#[derive(Debug)]
pub struct Measured {
    pub wall: Duration,
    pub before: Stat,
    pub after: Stat,
    pub exit: Exit,
}

impl Measured {
    /// Runs a worker to its end.
    pub fn run(group: &Group, arguments: &[&str]) -> Result<Self> {
        let (started, before) = (Instant::now(), group.stat());
        let exit = Worker::start(Some(group), arguments)?.child.wait()?;
        Ok(Self { wall: started.elapsed(), before, after: group.stat(), exit })
    }
}

/// A demonstration never tells what it did not see.
pub fn contradiction(expected: &str, seen: impl std::fmt::Display) -> Error {
    Error::new("the kernel contradicts the lesson")
        .why(format!("expected {expected}, saw {seen}"))
        .fix("please report this with the output of uname -a and of lab-02 tree")
}
