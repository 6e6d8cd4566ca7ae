//! A scene: a container brought to the moment before a command, the command, and what must be left
//! of both in the end: nothing.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::unistd::Pid;
use serde_json::json;
use testbed::{Host, MARK, own_mark};

use crate::{
    bundle::{Runtime, Stage},
    tracer::{self, Call, Ended, Then},
};

/// Undoing goes on for a while after a command has ended.
const GRACE: Duration = Duration::from_secs(3);

/// The command that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Create,
    Start,
    Exec,
    Delete,
    DeleteForce,
}

impl Moment {
    pub const ALL: [Self; 5] =
        [Self::Create, Self::Start, Self::Exec, Self::Delete, Self::DeleteForce];
}

/// What a traced command said: its output goes to files beside its program's arguments.
#[derive(Debug)]
pub struct Said;

impl Said {
    /// Where the command says it: in the directory above its `--root`.
    pub fn files(command: &Command) -> (File, File) {
        let root = command.get_args().nth(1).map(PathBuf::from).expect("--root DIR");
        let dir = root.parent().expect("a directory above the root").to_owned();
        let file = |name| File::create(dir.join(name)).expect("a file for what is said");
        (file("said.out"), file("said.err"))
    }

    /// What the last traced command said on standard error.
    pub fn last(scene: &Scene) -> String {
        fs::read_to_string(scene.stage.dir.path().join("said.err")).unwrap_or_default()
    }
}

/// A container at a moment.
#[derive(Debug)]
pub struct Scene {
    pub stage: Stage,
    pub moment: Moment,
    files: BTreeSet<PathBuf>,
}

impl Scene {
    /// Brings a container to where the command can be given.
    #[track_caller]
    pub fn before(moment: Moment) -> Self {
        let mut stage = Stage::new(Runtime::MiniRunc);
        // A name of ours, so that what stays of it in any tree is seen.
        stage.id = format!("mini-runc-{}", stage.id);
        stage.environment = vec![(MARK.to_owned(), own_mark())];
        stage.configure(|config| {
            let env = config["process"]["env"].as_array_mut().expect("process.env");
            env.push(json!(format!("{MARK}={}", own_mark())));
        });
        let files = files_in(stage.dir.path());
        let scene = Self { stage, moment, files };
        if moment != Moment::Create {
            scene.stage.create().ok();
        }
        if !matches!(moment, Moment::Create | Moment::Start) {
            scene.stage.on("start", &[]).ok();
        }
        if moment == Moment::Delete {
            scene.stage.on("kill", &["KILL"]).ok();
            scene.stage.until("stopped");
        }
        scene
    }

    /// The command.
    pub fn command(&self) -> Command {
        let bundle = self.stage.bundle();
        let (bundle, id) = (bundle.to_str().expect("UTF-8"), self.stage.id.as_str());
        self.stage.command(&match self.moment {
            Moment::Create => vec!["create", "-b", bundle, id],
            Moment::Start => vec!["start", id],
            Moment::Exec => vec!["exec", id, "true"],
            Moment::Delete => vec!["delete", id],
            Moment::DeleteForce => vec!["delete", "--force", id],
        })
    }

    /// Gives the command under the tracer; of `start` the container's process is seen as well.
    pub fn trace(&self, decide: &mut dyn FnMut(&Call) -> Then) -> Ended {
        let along = (self.moment == Moment::Start).then(|| Pid::from_raw(self.stage.pid()));
        tracer::trace(&self.command(), along, decide)
    }

    #[track_caller]
    pub fn delete_force(&self) {
        let deleted = self.stage.on("delete", &["--force"]);
        assert!(deleted.code == 0 && deleted.stderr.is_empty(), "{deleted:?}");
    }

    /// After `delete --force` there is no state, no file, no group, no process, no mount.
    #[track_caller]
    pub fn leaves_nothing(&self, case: &str, before: &Host) {
        self.left(before).unwrap_or_else(|left| panic!("{case}: {left}"));
    }

    /// What is left although `delete --force` was called.
    pub fn left(&self, before: &Host) -> Result<(), String> {
        let deleted = self.stage.on("delete", &["--force"]);
        if deleted.code != 0 || !deleted.stderr.is_empty() {
            return Err(format!("{deleted:?}"));
        }
        self.is_clean()?;
        let deadline = Instant::now() + GRACE;
        loop {
            let changes = before.changes();
            if changes.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{changes:?}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether nothing is in the state directory, and no file where none was.
    pub fn is_clean(&self) -> Result<(), String> {
        let state = self.stage.state_root();
        let names = fs::read_dir(&state).into_iter().flatten().flatten().map(|it| it.file_name());
        let names: Vec<_> = names.collect();
        if !names.is_empty() {
            return Err(format!("{names:?} stays in {}", state.display()));
        }
        let new: Vec<_> = files_in(self.stage.dir.path())
            .into_iter()
            .filter(|file| !self.files.contains(file))
            .collect();
        if new.is_empty() { Ok(()) } else { Err(format!("{new:?} is new")) }
    }
}

/// The files of a stage, but for what every command writes, and mount points in the root.
fn files_in(dir: &Path) -> BTreeSet<PathBuf> {
    let names = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|it| it.path());
    let own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !["state", "said.out", "said.err", "output.out", "output.err"].contains(&name.as_ref())
    };
    names(dir).chain(names(&dir.join("bundle"))).filter(own).collect()
}
