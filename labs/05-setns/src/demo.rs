//! The demonstration: a target with everything a container has, and those who enter it.

mod cost;
mod lifetime;
mod links;
mod network;
mod pid;
mod rest;
mod roles;
mod stage;
mod threads;
mod ways;
mod witness;

use std::{fs, process::ExitCode};

use ground::{Error, Explanation, Lesson, Narrator, Result};
use namespaces::{Kind, Kinds, rootless};
use nix::unistd::Pid;
use setns::Target;

pub use roles::testify;

use stage::Stage;

/// Plays the lesson. An ordinary user becomes root of a user namespace first.
pub fn play(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let ours = Kinds::of([Kind::Mount]);
    let moving_in = rootless::explain(ours);
    if !narrator.plans_only() {
        rootless::enter(ours)?;
    }
    let standing_in = Target::open(Pid::this())?;
    let mut scenes = vec![
        links::scene()?,
        network::interfaces()?,
        network::socket(),
        network::wrong_kind()?,
        pid::scene(&standing_in),
        ways::scene(&standing_in)?,
        threads::scene(&standing_in),
        rest::scene(&standing_in)?,
        lifetime::scene(&standing_in),
        cost::scene(),
    ];
    scenes[0].calls.splice(0..0, moving_in);
    let lesson = Lesson {
        lab: "lab-05",
        title: "setns",
        point: "Entering a container is a second process that asks for the first one's namespaces, \
                and for all else it has.",
        scenes,
    };
    lesson.play(narrator, Stage::open).map(|()| ExitCode::SUCCESS)
}

/// The calls of steps that were made for ourselves, told of a process whose number is not known
/// yet: a plan comes before its processes.
fn of_some_process(calls: impl IntoIterator<Item = Explanation>) -> Vec<Explanation> {
    let ours = Pid::this().to_string();
    let told = |call: Explanation| Explanation { call: call.call.replace(&ours, "PID"), ..call };
    calls.into_iter().map(told).collect()
}

/// A line of the status of a process, as `VmRSS` (man 5 proc_pid_status).
fn status_of(pid: Pid, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value
        .map(|value| value.trim().to_owned())
        .ok_or_else(|| Error::new("cannot look at the process").why(format!("no {name} in {path}")))
}

/// Fails the lesson when the kernel says something else than the lesson does.
fn check(holds: bool, statement: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::new("the kernel contradicts this lesson")
        .why(format!("this should hold, and does not: {statement}"))
        .fix("please report it, with the output of uname -a"))
}
