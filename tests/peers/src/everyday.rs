//! Everyday sessions: what somebody types at work, played to docker, to podman and to mini-docker.
//!
//! Each engine has one stage, on which `docker` is that engine, and all of `sessions/everyday/` is
//! played there, one session after the other. What is expected is the same for all three: a session
//! asks for outcomes (status, output, what the container sees), and not for the words of messages.
//! `# not podman: why`, on a line before a step, leaves the step out for that engine.
//!
//! `UNBOXED_SESSION=volumes` plays one; `UNBOXED_RECORD=1` writes down what docker says.

use std::{env, fs, time::Instant};

use crate::{
    Engine as Built,
    session::{Difference, Session, Step, directory, eprint, recording, shown},
    stage::{Machine, Scene, Stage},
};

/// Which program is called `docker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// docker with its daemon, over runc.
    Docker,
    /// podman, over crun.
    Podman,
    /// Ours, over mini-runc.
    MiniDocker,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::MiniDocker => "mini-docker",
        }
    }

    fn scene(self) -> Scene {
        let (engine, runtime, machine) = match self {
            Self::Docker => ("docker", "/usr/sbin/runc".into(), Machine::Here),
            Self::Podman => ("podman", "/usr/bin/crun".into(), Machine::HereWithoutV2),
            // It brings its runtime along.
            Self::MiniDocker => ("mini-docker", Built::program(), Machine::Here),
        };
        Scene { engine, runtime, machine }
    }
}

/// Plays every session to an engine; each must leave nothing behind.
///
/// # Panics
/// With the steps that went otherwise than the sessions say.
#[track_caller]
pub fn play(engine: Engine) {
    let started = Instant::now();
    let mut stage = Stage::new(&engine.scene());
    eprint(&format!("a stage with {}: {} s", engine.name(), started.elapsed().as_secs()));
    let report: String = names().iter().map(|name| play_one(&mut stage, engine, name)).collect();
    assert!(report.is_empty(), "{}:\n{report}\nits log:\n{}", engine.name(), stage.log());
}

/// The sessions, or the one that is asked for.
fn names() -> Vec<String> {
    let wanted = env::var("UNBOXED_SESSION").ok();
    let files = fs::read_dir(directory().join("everyday")).expect("a directory of sessions");
    let mut names: Vec<_> = files
        .filter_map(|file| file.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .filter(|name| wanted.as_ref().is_none_or(|wanted| wanted == name))
        .collect();
    names.sort();
    names
}

/// What went otherwise.
fn play_one(stage: &mut Stage, engine: Engine, name: &str) -> String {
    let started = Instant::now();
    let session = Session::read(&format!("everyday/{name}"));
    let mut answer = |step: &Step| match is_for(engine, step) {
        true => shown(stage.step(&step.command)),
        false => step.said.clone(),
    };
    let said: Vec<_> = session.steps.iter().map(&mut answer).collect();
    let seconds = started.elapsed().as_secs_f32();
    eprint(&format!("{name} with {}: {} steps, {seconds:.1} s", engine.name(), said.len()));
    if recording() && engine == Engine::Docker {
        session.record(&said);
        return String::new();
    }
    let pairs = session.steps.iter().zip(&said).filter(|(step, said)| step.said != **said);
    let differences: String =
        pairs.map(|(step, said)| Difference { step, said }.to_string()).collect();
    let differences = match differences.is_empty() {
        true => differences,
        false => format!("{}\n{differences}", session.path.display()),
    };
    differences + &left_behind(stage, name)
}

fn is_for(engine: Engine, step: &Step) -> bool {
    let prefix = format!("# not {}:", engine.name());
    !step.head.lines().any(|line| line.starts_with(&prefix))
}

/// A session cleans up, so that the next one finds what it expects; containers and volumes that it
/// has left are named, and removed.
fn left_behind(stage: &mut Stage, name: &str) -> String {
    let (said, _) = stage.step("docker ps -aq; docker volume ls -q");
    if said.trim().is_empty() {
        return String::new();
    }
    stage.step("docker rm -f $(docker ps -aq); docker volume rm $(docker volume ls -q)");
    format!("{name} has left containers or volumes:\n{said}\n")
}
