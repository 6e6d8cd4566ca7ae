//! A scene: a container brought to the moment before a command, the command, and what must be left
//! of both in the end: nothing.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::unistd::Pid;
use serde_json::{Value, json};
use testbed::{Host, MARK, Place, Run, own_mark};

use crate::{
    bundle::{Runtime, Stage},
    tracer::{self, Call, Ended, Then},
};

/// Undoing goes on for a while after a command has ended.
const GRACE: Duration = Duration::from_secs(3);

/// How many acts are tried, of those that there are; without it all.
const ACTS: &str = "UNBOXED_ACTS";

/// What picks the cases of a sample.
const SEED: &str = "UNBOXED_SEED";

/// The socket for terminals, in the directory of the stage.
const CONSOLE: &str = "console.sock";

/// The command that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Create,
    Start,
    Exec,
    Delete,
    DeleteForce,
}

/// What the container is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Plain,
    /// With a terminal, whose other side goes through a socket.
    Terminal,
    /// With a program at each moment of its life, and rules for devices.
    Hooks,
    /// With ids of its own.
    UserNamespace,
}

/// A command that is given in a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    pub setting: Setting,
    pub moment: Moment,
}

const fn act(setting: Setting, moment: Moment) -> Act {
    Act { setting, moment }
}

impl Act {
    /// A plain container is made.
    pub const CREATE: Self = act(Setting::Plain, Moment::Create);

    const PLAIN: [Self; 5] = [
        Self::CREATE,
        act(Setting::Plain, Moment::Start),
        act(Setting::Plain, Moment::Exec),
        act(Setting::Plain, Moment::Delete),
        act(Setting::Plain, Moment::DeleteForce),
    ];

    /// Those that are sampled: most of their calls are those of the plain ones.
    const OTHERS: [Self; 8] = [
        act(Setting::Terminal, Moment::Create),
        act(Setting::Terminal, Moment::Exec),
        act(Setting::Hooks, Moment::Create),
        act(Setting::Hooks, Moment::Start),
        act(Setting::Hooks, Moment::DeleteForce),
        act(Setting::UserNamespace, Moment::Create),
        act(Setting::UserNamespace, Moment::Start),
        act(Setting::UserNamespace, Moment::Exec),
    ];

    /// Those to be tried: all, or as many as `UNBOXED_ACTS` says, which the seed picks.
    pub fn tried() -> Vec<Self> {
        /// Prime to their number, so that it leads to all of them.
        const STEP: usize = 5;
        let all: Vec<_> = Self::PLAIN.into_iter().chain(Self::OTHERS).collect();
        match number(ACTS) {
            None => all,
            Some(count) => {
                let from_seed = all.iter().cycle().skip(seed() % all.len());
                from_seed.step_by(STEP).take(count.min(all.len())).copied().collect()
            }
        }
    }

    /// The cases of this act to be tried: of an act that is sampled every `others`-th, of a plain one
    /// every `plain`-th, from one on that the seed picks; `variable` says how many instead of both.
    pub fn sample<'a, T>(
        &self,
        all: &'a [T],
        (plain, others): (usize, usize),
        variable: &str,
    ) -> Vec<&'a T> {
        let usual = if self.setting == Setting::Plain { plain } else { others };
        let every = number(variable).unwrap_or(usual);
        all.iter().skip(seed() % every).step_by(every).collect()
    }
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().and_then(|it| it.parse().ok())
}

/// `UNBOXED_SEED`, or one of this run, which is printed.
fn seed() -> usize {
    static USED: LazyLock<usize> = LazyLock::new(|| {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
        let seed = number(SEED).unwrap_or_else(|| now() as usize % 1_000_000);
        println!("{SEED}={seed}");
        seed
    });
    *USED
}

/// Runs a test of this program once more, on a kernel that has cgroup v2 alone and is slow: a few
/// acts, and of these every 25th case, unless `every`, a variable, says otherwise.
#[track_caller]
pub fn in_guest(test: &str, every: &str) {
    let this = std::env::current_exe().expect("our own program");
    let (seed, often) = (seed().to_string(), number(every).unwrap_or(25).to_string());
    let env = [(SEED, &*seed), (ACTS, "4"), (every, &*often), ("LABS_MUST_RUN", "1")];
    let (args, limit) = (["--exact", test, "--nocapture"], Duration::from_secs(180));
    let run = Run { args: &args, env: &env, limit, ..Run::of(&this) };
    println!("{}", run.run_killing_in(Place::GuestRoot).success());
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
    setting: Setting,
    files: BTreeSet<PathBuf>,
    /// Who is given terminals; nobody ever looks at them.
    _console: UnixListener,
}

impl Scene {
    /// Brings a container to where the command can be given.
    #[track_caller]
    pub fn before(Act { setting, moment }: Act) -> Self {
        let mut stage = Stage::new(Runtime::MiniRunc);
        // A name of ours, so that what stays of it in any tree is seen.
        stage.id = format!("mini-runc-{}", stage.id);
        stage.environment = vec![(MARK.to_owned(), own_mark())];
        stage.configure(|config| {
            let env = config["process"]["env"].as_array_mut().expect("process.env");
            env.push(json!(format!("{MARK}={}", own_mark())));
            furnish(setting, config);
        });
        // The root of a user namespace must be able to reach the root file system.
        fs::set_permissions(stage.dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let console = UnixListener::bind(stage.dir.path().join(CONSOLE)).expect("a socket");
        let files = files_in(stage.dir.path());
        let scene = Self { stage, moment, setting, files, _console: console };
        if moment != Moment::Create {
            scene.stage.call(&strs(&scene.create())).ok();
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

    /// Changes the config.json of a container that is not made yet.
    pub fn change(&self, change: impl FnOnce(&mut Value)) {
        let path = self.stage.bundle().join("config.json");
        let text = fs::read(&path).expect("config.json");
        let mut config = serde_json::from_slice(&text).expect("JSON");
        change(&mut config);
        fs::write(path, config.to_string()).expect("config.json");
    }

    /// The command.
    pub fn command(&self) -> Command {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let id = self.stage.id.as_str();
        let args = match self.moment {
            Moment::Create => self.create(),
            Moment::Start => words(&["start", id]),
            Moment::Exec => {
                [words(&["exec"]), self.terminal("--tty"), words(&[id, "true"])].concat()
            }
            Moment::Delete => words(&["delete", id]),
            Moment::DeleteForce => words(&["delete", "--force", id]),
        };
        self.stage.command(&strs(&args))
    }

    fn create(&self) -> Vec<String> {
        let bundle = self.stage.bundle().to_str().expect("UTF-8").to_owned();
        let mut args = vec!["create".to_owned()];
        args.extend(self.terminal(""));
        args.extend(["-b".to_owned(), bundle, self.stage.id.clone()]);
        args
    }

    /// What a command is told of the terminal, if there is to be one.
    fn terminal(&self, option: &str) -> Vec<String> {
        let socket = self.stage.dir.path().join(CONSOLE).to_str().expect("UTF-8").to_owned();
        let mut args = vec![option.to_owned(), "--console-socket".to_owned(), socket];
        args.retain(|it| self.setting == Setting::Terminal && !it.is_empty());
        args
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

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Makes a container what its setting says.
fn furnish(setting: Setting, config: &mut Value) {
    match setting {
        Setting::Plain => {}
        Setting::Terminal => config["process"]["terminal"] = json!(true),
        Setting::Hooks => {
            let nothing = json!([{"allow": false, "access": "rwm"}]);
            config["linux"]["resources"] = json!({"devices": nothing});
            let moments = [
                "prestart",
                "createRuntime",
                "createContainer",
                "startContainer",
                "poststart",
                "poststop",
            ];
            for moment in moments {
                config["hooks"][moment] = json!([{"path": "/bin/true", "timeout": 20}]);
            }
        }
        Setting::UserNamespace => {
            let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
            let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
            namespaces.push(json!({"type": "user"}));
        }
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
