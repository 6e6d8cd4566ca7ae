//! A lesson is a list of scenes: announce, do, show, conclude.

use std::io;

use crate::{Error, Explanation, Narrator, Result, Table};

/// What the kernel said after a scene's calls, and what follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What was read back in this very run.
    pub tables: Vec<Table>,
    /// The conclusion. Where it holds a value, the value comes from the tables' source.
    pub follows: String,
}

impl Evidence {
    /// A conclusion; its tables are added with [`Evidence::table`].
    pub fn new(follows: impl Into<String>) -> Self {
        Self { tables: Vec::new(), follows: follows.into() }
    }

    /// Adds a table.
    pub fn table(mut self, table: Table) -> Self {
        self.tables.push(table);
        self
    }
}

/// How a scene ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, and this is what the kernel says about it.
    Shown(Evidence),
    /// This machine or this user cannot do it; the error says why and what would help. The lesson
    /// goes on.
    NotHere(Error),
}

impl From<Evidence> for Outcome {
    fn from(evidence: Evidence) -> Self {
        Self::Shown(evidence)
    }
}

/// One step of a demonstration. `S` is the lab's stage: what its scenes make and share.
pub struct Scene<S> {
    /// What is about to happen, in one sentence.
    pub what: String,
    /// The calls it is made of; taken from the steps themselves wherever there are steps.
    pub calls: Vec<Explanation>,
    /// Does it and reads the evidence back.
    pub act: fn(&mut S) -> Result<Outcome>,
}

impl<S> Scene<S> {
    /// A scene from its three parts.
    pub fn new(
        what: impl Into<String>,
        calls: impl IntoIterator<Item = Explanation>,
        act: fn(&mut S) -> Result<Outcome>,
    ) -> Self {
        Self { what: what.into(), calls: calls.into_iter().collect(), act }
    }
}

impl<S> std::fmt::Debug for Scene<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("what", &self.what).finish_non_exhaustive()
    }
}

/// The demonstration of a lab.
#[derive(Debug)]
pub struct Lesson<S> {
    /// The package's name, as `lab-04`.
    pub lab: &'static str,
    /// Its subject, as `overlay`.
    pub title: &'static str,
    /// The one point to keep.
    pub point: &'static str,
    /// 5 to 12 scenes.
    pub scenes: Vec<Scene<S>>,
}

impl<S> Lesson<S> {
    /// Plays the lesson: every scene announced, done, and its evidence shown.
    ///
    /// `open` makes the stage; it is not called for a plan (`--explain`), which needs no
    /// privilege. The stage's `Drop` takes away what the scenes left.
    ///
    /// # Errors
    /// What `open` or a scene returned. A reader that went away (`| head`) ends the lesson without
    /// an error.
    pub fn play(
        &self,
        narrator: &mut Narrator<'_>,
        open: impl FnOnce() -> Result<S>,
    ) -> Result<()> {
        if narrator.plans_only() {
            return gone_is_fine(self.tell_plan(narrator));
        }
        match self.perform(narrator, &mut open()?) {
            Err(Interrupted::Failed(error)) => Err(error),
            Err(Interrupted::Output(error)) => gone_is_fine(Err(error)),
            Ok(()) => Ok(()),
        }
    }

    fn tell_plan(&self, narrator: &mut Narrator<'_>) -> io::Result<()> {
        narrator.lesson(self.lab, self.title, self.point, self.scenes.len())?;
        for (index, scene) in self.scenes.iter().enumerate() {
            narrator.scene(index + 1, self.scenes.len(), &scene.what, &scene.calls)?;
        }
        narrator.end()
    }

    fn perform(
        &self,
        narrator: &mut Narrator<'_>,
        stage: &mut S,
    ) -> std::result::Result<(), Interrupted> {
        let of = self.scenes.len();
        narrator.lesson(self.lab, self.title, self.point, of)?;
        for (index, scene) in self.scenes.iter().enumerate() {
            narrator.scene(index + 1, of, &scene.what, &scene.calls)?;
            match (scene.act)(stage)? {
                Outcome::Shown(evidence) => narrator.evidence(index + 1, &evidence)?,
                Outcome::NotHere(error) => narrator.not_here(index + 1, &error)?,
            }
            narrator.pause(index + 1 == of)?;
        }
        Ok(narrator.end()?)
    }
}

/// Why a performance stopped before its end.
enum Interrupted {
    Failed(Error),
    Output(io::Error),
}

impl From<Error> for Interrupted {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// `lab-01 | head -5` is a fine thing to type: a closed pipe ends the lesson, it does not fail it.
fn gone_is_fine(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::new("cannot tell the lesson").io("write", &error)),
        Ok(()) => Ok(()),
    }
}
