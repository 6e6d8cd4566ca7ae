//! A stage: a machine of its own for an engine, made of namespaces, on which one step follows another.
//!
//! ```text
//! us --- unshare(1) --- bash, PID 1: stage/furnish.sh     mount, PID, network, IPC, UTS, cgroup namespaces
//!   steps  --NUL-->       | eval                          tmpfs on /run /var/lib /tmp .., overlay on /etc
//!   <--NUL-- words        +- dockerd, containerd, conmon, shims, containers
//! ```
//!
//! When we go, however we go, unshare(1) and PID 1 go with us, and the kernel takes everything else:
//! processes, mounts, links and rules. Control groups remain, and [`Groups`] has them; a process
//! that is frozen in one stays until it is thawed.

use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{Engine as Built, groups::Groups};

/// A step may take this long.
const PATIENCE: Duration = Duration::from_secs(90);

/// So many guests are started if the kernel of one spins, which it does now and then where processes
/// are killed (`testbed::Run::run_killing_in`).
const GUESTS: usize = 3;

/// The exit status of a guest that did not come to its end in time.
const NO_END: i32 = 124;

/// What a stage is for.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The script in `stage/` that prepares the engine.
    pub engine: &'static str,
    /// The low-level runtime that it uses.
    pub runtime: PathBuf,
    /// Where it plays.
    pub machine: Machine,
}

/// What a stage is made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// This one.
    Here,
    /// This one, with a cgroup v2 beside v1 out of sight: Debian's crun refuses a machine that is
    /// both.
    HereWithoutV2,
    /// A kernel with cgroup v2 only (`tests/guest`).
    Guest,
}

/// A furnished stage.
#[derive(Debug)]
pub struct Stage {
    steps: Option<ChildStdin>,
    words: Receiver<String>,
    unshare: Child,
    // Last: it goes when all processes have gone.
    _groups: Groups,
}

impl Stage {
    /// Furnishes a stage and starts the engine.
    ///
    /// # Panics
    /// When something of it fails, with what was said.
    pub fn new(scene: &Scene) -> Self {
        let mut unshare = command(scene).spawn().expect("sh and unshare");
        let groups = Groups::around(unshare.id());
        let steps = unshare.stdin.take();
        let words = words(unshare.stdout.take().expect("a pipe"));
        let mut stage = Self { steps, words, unshare, _groups: groups };
        stage.send("\n");
        let (said, _) = stage.step("true");
        assert_eq!(said, "", "the stage is furnished in silence");
        stage
    }

    /// Runs one command of bash; returns what it said, standard error included, and its exit status.
    ///
    /// # Panics
    /// When it takes longer than 90 s, or ends the stage.
    #[track_caller]
    pub fn step(&mut self, command: &str) -> (String, i32) {
        self.send(&format!("{command}\0"));
        let word = || match self.words.recv_timeout(PATIENCE) {
            Ok(word) => word,
            Err(RecvTimeoutError::Timeout) => panic!("no end of: {command}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the stage ended before: {command}"),
        };
        let said = word();
        let status = word().parse().unwrap_or_else(|_| panic!("{said}"));
        (said, status)
    }

    fn send(&mut self, text: &str) {
        // When nobody reads any more, the missing answer tells.
        let _ = self.steps.as_mut().map(|steps| steps.write_all(text.as_bytes()));
    }

    /// The last lines of the engine's log.
    #[track_caller]
    pub fn log(&mut self) -> String {
        self.step("tail -n 30 /run/log").0
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // After the last step PID 1 ends, and unshare(1) waits until its PID namespace is empty.
        drop(self.steps.take());
        for _ in 0..100 {
            if let Ok(Some(_)) = self.unshare.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

/// A program in namespaces of its own.
pub const UNSHARE: &str = "unshare --mount --propagation private --net --ipc --uts --pid \
    --fork --kill-child --mount-proc";

/// The script that mounts a stage's own control groups as a machine's.
pub fn cgroups_script() -> PathBuf {
    here().join("stage/cgroups.sh")
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The variables of `stage/furnish.sh`.
fn variables(scene: &Scene) -> [(&'static str, OsString); 8] {
    let hide_v2 = if scene.machine == Machine::HereWithoutV2 { "yes" } else { "" };
    [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".into()),
        ("LC_ALL", "C.UTF-8".into()),
        ("TZ", "UTC".into()),
        ("RUNTIME", scene.runtime.clone().into()),
        ("ENGINE", here().join("stage").join(scene.engine).with_extension("sh").into()),
        ("SESSIONS", here().join("sessions").into()),
        ("MINI_DOCKER", Built::program().into()),
        ("HIDE_V2", hide_v2.into()),
    ]
}

fn command(scene: &Scene) -> Command {
    // It waits until we have put it into its control groups.
    let enter = format!("read -r _; exec setpriv --pdeathsig KILL {UNSHARE} --cgroup bash \"$0\"");
    let mut command = Command::new("sh");
    command.args(["-euc", &enter]).arg(here().join("stage/furnish.sh")).env_clear();
    command.envs(variables(scene)).env(testbed::MARK, testbed::own_mark());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Runs all steps on a stage in a guest, which hears no standard input, and whose control groups go
/// with it.
///
/// # Panics
/// When the guest or the stage breaks down before the last step, or takes longer than 300 s.
#[track_caller]
pub fn in_guest(scene: &Scene, steps: &[&str]) -> Vec<(String, i32)> {
    // What gives controllers to groups below may have no processes of its own (man 7 cgroups), so
    // only the namespace is made in the group, and all processes are in one below.
    let enter = format!(
        "cd /sys/fs/cgroup; mkdir -p stage/init; echo 0 > stage/cgroup.procs; \
         exec unshare --cgroup sh -euc 'echo 0 > stage/init/cgroup.procs; cd /; \
             exec {UNSHARE} bash \"$1\" < \"$2\"' sh \"$@\""
    );
    // The name by which tests beside us know that it is no leak.
    let name = format!("unboxed-stage.{}.", std::process::id());
    let directory = TempDir::with_prefix(name).expect("a temporary directory");
    let file = directory.path().join("steps");
    fs::write(&file, format!("{}\0", steps.join("\0"))).expect("a file of our own");
    let mut guest = Command::new(here().join("../guest/run"));
    guest.args(["-t", "300", "-w", "/"]).env(testbed::MARK, testbed::own_mark());
    let runtime = scene.runtime.parent().expect("a program has a directory");
    for seen in [here(), directory.path(), runtime] {
        guest.arg("-b").arg(seen);
    }
    for (name, value) in variables(scene).iter().filter(|(name, _)| *name != "PATH") {
        guest.arg("-e").arg(format!("{name}={}", value.display()));
    }
    guest.args(["--", "sh", "-euc", &enter, "sh"]).arg(here().join("stage/furnish.sh")).arg(file);
    let said = (0..GUESTS).map(|_| crate::run(&mut guest)).find(|it| it.code != NO_END);
    let said = said.unwrap_or_else(|| panic!("none of {GUESTS} guests came to an end"));
    let words: Vec<_> = said.stdout.split('\0').collect();
    assert_eq!(words.len() / 2, steps.len(), "the guest said:\n{}\n{}", said.stdout, said.stderr);
    let status = |word: &str| word.parse().unwrap_or_else(|_| panic!("no status: {word}"));
    words.chunks_exact(2).map(|it| (it[0].to_owned(), status(it[1]))).collect()
}

/// What comes, cut at each NUL.
fn words(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let (mut word, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            for &byte in &buffer[..length] {
                match byte {
                    0 if send.send(String::from_utf8_lossy(&word).into_owned()).is_err() => return,
                    0 => word.clear(),
                    byte => word.push(byte),
                }
            }
        }
    });
    receive
}
