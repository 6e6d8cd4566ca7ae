//! The demonstration: a root file system, a prison that leaks, and one that holds.

mod actor;
mod chroot;
mod pivot;

use std::{
    ffi::{CStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
};

use ground::{Errno, Error, Explanation, Lesson, Narrator, Result, Step};
use namespaces::{Exec, Kind, Kinds, rootless};
use rootfs::{Chdir, Mount, MountInfo, MsFlags, Plan};

use crate::breakout::Place;

/// Where the new root is: in a tmpfs that only this demonstration sees.
const NEW_ROOT: &str = "/tmp/new";

/// The source of the tmpfs on /tmp, by which the second half of this program knows where it is.
const STAGE: &CStr = c"lab-03";

/// What the scenes share. All of it is in a private mount namespace and ends with the process.
#[derive(Debug)]
struct Stage {
    /// The root of the host.
    host: Place,
    new_root: PathBuf,
    plan: Plan,
}

impl Stage {
    fn open() -> Result<Self> {
        let set = |mount: &MountInfo| {
            mount.point == Path::new("/tmp") && mount.source.as_bytes() == STAGE.to_bytes()
        };
        if !MountInfo::of("self")?.iter().any(set) {
            return Err(Error::new("the stage is not set")
                .why("on-stage is for this program itself: it would write into your /tmp")
                .fix("run lab-03 without a command"));
        }
        Ok(Self { host: Place::at("/")?, new_root: PathBuf::from(NEW_ROOT), plan: Plan::default() })
    }

    /// The new root directory.
    fn inside(&self) -> Result<Place> {
        Place::at(&self.new_root)
    }

    /// Which of the two roots a directory is, by device and inode.
    fn name(&self, place: Place) -> Result<&'static str> {
        let inside = self.inside()?;
        Ok(match place {
            place if place == self.host => "host",
            place if place == inside => "new root",
            _ => "elsewhere",
        })
    }
}

/// Goes where nothing can be left behind, then starts this program again: the kernel lets a process
/// look at another through `/proc` only when both were born as what they are now.
///
/// A mount namespace of our own with an empty /tmp in it: were we killed at any moment, the kernel
/// would take away both, and everything in them.
pub fn set_stage(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    if narrator.plans_only() {
        return play(narrator);
    }
    rootless::enter(Kinds::of([Kind::Mount]))?;
    let stage: [Box<dyn Step>; 2] = [
        Box::new(Mount::filesystem(c"tmpfs", STAGE, c"/tmp", MsFlags::MS_NOSUID, c"mode=1777")),
        Box::new(Chdir::new(c"/", "the story does not depend on where it is told")),
    ];
    stage.iter().try_for_each(|step| step.run().map_err(|errno| step.failed(errno)))?;
    let mut argv: Vec<OsString> = vec!["/proc/self/exe".into()];
    argv.extend(std::env::args_os().skip(1));
    argv.push("on-stage".into());
    let exec = Exec::with_own_environment(&argv)?;
    match exec.run() {
        Err(errno) => Err(exec.failed(errno)),
        Ok(()) => Err(Error::new("execve(2) returned without an error")),
    }
}

/// Plays the lesson.
pub fn play(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let mut scenes = chroot::scenes()?;
    scenes.extend(pivot::scenes()?);
    let lesson = Lesson {
        lab: "lab-03",
        title: "chroot and pivot_root",
        point: "chroot moves where one process's paths begin; pivot_root takes the old root away.",
        scenes,
    };
    lesson.play(narrator, Stage::open)?;
    Ok(ExitCode::SUCCESS)
}

/// The words of steps.
fn explain<'a>(steps: impl IntoIterator<Item = &'a Box<dyn Step>>) -> Vec<Explanation> {
    steps.into_iter().map(|step| step.explain()).collect()
}

/// The demonstration does not go on when the kernel contradicts it.
fn expect(holds: bool, claim: &str) -> Result<()> {
    holds.then_some(()).ok_or_else(|| {
        Error::new("the kernel did not do what this lesson says").why(format!("expected: {claim}"))
    })
}

/// `ok`, or the errno's name.
fn said(result: std::result::Result<(), Errno>) -> String {
    result.map_or_else(|errno| format!("{errno:?}"), |()| "ok".to_owned())
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// The new root and a place in it, as the kernel takes it.
fn in_new_root(path: &str) -> Result<std::ffi::CString> {
    rootfs::c_path(Path::new(NEW_ROOT).join(path))
}
