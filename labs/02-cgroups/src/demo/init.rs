//! Two applications in one container, under a small init; what the first process owes to the others.

use std::time::{Duration, Instant};

use cgroups::{Controller, Group, Site};
use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Table};
use namespaces::{Exit, Kind, Kinds, Spawn, rootless};
use nix::{sys::signal::Signal, unistd::geteuid};

use super::stage::{self, Stage, Worker, contradiction};

/// A container may run more than one application.
pub fn two_applications(site: &Site) -> Result<Scene<Stage>> {
    let group = stage::on_paper(site, "two", &[Controller::Pids])?;
    let mut calls = match geteuid().is_root() {
        true => Vec::new(),
        false => rootless::explain(Kinds::NONE),
    };
    calls.push(Spawn::new(Kinds::of([Kind::Pid])).clone_explained());
    let procs = stage::file(&group, Controller::Pids, "cgroup.procs");
    calls.extend([
        Explanation::new(
            "waitpid(-1, ..)",
            "PID 1 becomes the parent of every orphan, and must reap it",
            "2 waitpid",
        ),
        Explanation::new(
            "kill(each application, SIGTERM)",
            "a container is asked to end by a signal to its PID 1: it must pass it on",
            "2 kill",
        ),
        stage::read(&procs, "who is in the group"),
    ]);
    Ok(Scene::new("Can a container run only one application?", calls, |stage| {
        match stage.in_group("two", &[Controller::Pids], |group| played(Some(group)))? {
            // Without a group there is still the PID namespace.
            Outcome::NotHere(_) => Ok(played(None).map_or_else(Outcome::NotHere, Outcome::Shown)),
            shown => Ok(shown),
        }
    }))
}

fn played(group: Option<&Group>) -> Result<Evidence> {
    let started = Instant::now();
    let mut worker = Worker::start(group, &["container"])?;
    let [init, first, second, orphan, reaped] = worker.numbers().map_err(|_| {
        Error::new("cannot make a PID namespace here")
            .why("the worker could not; what it said stands above")
            .see("7 pid_namespaces")
            .fix("run it as root, or allow user namespaces")
    })?;
    // Who started it, and the three in the namespace.
    let members = group.map(|it| it.procs().len());
    worker.child.kill(Signal::SIGTERM)?;
    let ends = worker.numbers::<2>()?;
    let exit = worker.child.wait()?;
    let seen = (init, reaped, ends, exit, members.unwrap_or(4));
    let term = u64::from(Exit::Signal(Signal::SIGTERM).code());
    if seen != (1, orphan, [term, term], Exit::Code(0), 4) {
        return Err(contradiction("an init that reaps and passes on", format!("{seen:?}")));
    }
    let number = |it: u64| it.to_string();
    let took = started.elapsed().min(Duration::from_secs(60));
    let table = Table::new(["who", "its PID inside", "what became of it"])
        .row(["init".to_owned(), number(init), "got SIGTERM, ended last".to_owned()])
        .row(["an application".to_owned(), number(first), "ended by SIGTERM".to_owned()])
        .row(["another".to_owned(), number(second), "ended by SIGTERM".to_owned()])
        .row(["an orphan".to_owned(), number(orphan), "reaped by init".to_owned()]);
    Ok(Evidence::new(format!(
        "Two ran side by side, for {:.2} s: nothing in the kernel says one. But PID 1 has duties \
         that most programs do not know: it reaps orphans, and passes SIGTERM on. `docker run \
         --init` adds one that does.",
        took.as_secs_f64()
    ))
    .table(table))
}
