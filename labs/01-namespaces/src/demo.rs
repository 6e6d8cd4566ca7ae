//! The demonstration: twelve scenes, each with what the kernel says on both sides.

mod kernel;
mod kinds;
mod pids;
mod roles;
mod switches;
mod tables;
mod time;
mod user;
mod view;
mod without_clone;
mod witness;

use std::process::ExitCode;

use ground::{Error, Lesson, Narrator, Outcome, Result};
use namespaces::{Kinds, rootless, witness::Witness};

pub use roles::testify;

/// The scenes share nothing: each makes its own process and lets it go.
#[derive(Debug)]
struct Stage;

impl Stage {
    fn open() -> Result<Self> {
        rootless::check().map(|()| Self)
    }

    /// From here on an ordinary user is root of a user namespace; the scenes before have told what
    /// that is.
    fn become_root(&self) -> Result<()> {
        rootless::enter(Kinds::NONE).map(drop)
    }
}

/// Plays the lesson.
pub fn play(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let scenes = vec![
        kinds::scene()?,
        user::scene()?,
        switches::scene()?,
        tables::host_name()?,
        pids::two_numbers()?,
        pids::nested()?,
        tables::mounts()?,
        tables::interfaces()?,
        tables::cgroup_root()?,
        time::scene()?,
        kernel::scene()?,
        without_clone::scene(),
    ];
    let lesson = Lesson {
        lab: "lab-01",
        title: "namespaces",
        point: "A container is a process that was given some of the kernel's tables for itself.",
        scenes,
    };
    lesson.play(narrator, Stage::open).map(|()| ExitCode::SUCCESS)
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

/// Plays a scene with a process that is asked from outside and from inside. A process that this
/// machine refuses to make is no failure of the lesson.
fn with(
    witness: Result<Witness>,
    act: impl FnOnce(&Witness) -> Result<Outcome>,
) -> Result<Outcome> {
    match witness {
        Ok(witness) => act(&witness),
        Err(error) => Ok(Outcome::NotHere(error)),
    }
}
